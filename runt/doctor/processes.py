"""Daemon and keeper: who holds the locks, of which version, within which limits."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runt.doctor import record, remedies
from runt.doctor.examination import Examination, Unanswered
from runt.doctor.finding import Finding, counted, some
from runt.ids import short
from runt.render import home
from runtimed import __version__
from runtimed.host import ON_LINUX, process_state
from runtimed.managers.keepers import hangs

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTART = "`runt service restart` moves it to this version; kernels live on"
#: How long a keeper is waited for: it answers at once, also on a busy machine.
_KEEPER_S = 3.0
#: What the keeper keeps free, and what a kernel of ours takes with all its channels open
#: (runtimed/keeper/room.py).
_RESERVED_FILES = 64
_FILES_A_KERNEL = 4 * 4 + 2
#: Room for so many more kernels is little.
_FEW_KERNELS = 20
#: Nothing of ours was recorded before; a clock that says so is not set.
_BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
_TOLERANCE = timedelta(minutes=2)
#: logind's scope of one login session (systemd-logind.service(8)).
_SESSION = re.compile(r"/(session-[^/\n]+\.scope)(?=/|$)", re.MULTILINE)


def daemon(e: Examination) -> Iterator[Finding]:
    """Look at who holds the daemon's lock."""
    pid = e.daemon_pid
    if pid is None:
        text = "no daemon runs; `runt` starts it when it is needed"
    elif pid == 0:
        text = "a daemon starts, or stops, just now"
    else:
        text = f"pid {pid} holds {home(e.instance.state.daemon_lock)}"
    yield Finding("daemon", "ok", text, data={"pid": pid})


def keeper(e: Examination) -> Iterator[Finding]:
    """Look at who keeps the kernels, and whether the daemon is connected to it."""
    check, pid = "keeper", e.keeper_pid
    if pid is not None and hangs(e.instance.state, _KEEPER_S):
        yield _hanging(e, pid)
        return
    try:
        of_daemon = e.report["keeper"]
    except Unanswered:
        if pid is None:
            yield Finding(check, "ok", "no keeper runs, and so no kernel of ours")
        else:
            known = f" (pid {pid})" if pid else ""
            if e.daemon_pid is None:
                text, remedy = "without a daemon: it goes on recording", remedies.start(e)
            else:
                text, remedy = "and goes on recording; the daemon does not tell of it", ""
            yield Finding(check, "note", f"a keeper runs{known} {text}", remedy, {"pid": pid})
        return
    if of_daemon is None:
        text = "the daemon has no connection to a keeper, so no kernel can be started or spoken to"
        yield Finding(check, "problem", text, "`runt service logs` tells why")
    else:
        pid = of_daemon["pid"]
        yield Finding(check, "ok", f"the daemon is connected to it (pid {pid})", data=of_daemon)


def _hanging(e: Examination, pid: int) -> Finding:
    """Return what is to be done about a keeper that does not answer. Its kernels live on."""
    text, remedy = f"the keeper (pid {pid}) does not answer", remedies.restart(e)
    data = {"pid": pid}
    if not pid or process_state(pid) != "T":
        return Finding("keeper", "problem", text, remedy, data, remedies.restarting(e))

    def go_on() -> str:
        os.kill(pid, signal.SIGCONT)
        return f"the keeper (pid {pid}), which was stopped, goes on"

    remedy = f"`kill -CONT {pid}`, or `{remedy}`" if "`" not in remedy else f"`kill -CONT {pid}`"
    return Finding("keeper", "problem", f"{text}: it was stopped (SIGSTOP)", remedy, data, go_on)


def versions(e: Examination) -> Iterator[Finding]:
    """Compare the versions of runt, daemon, keeper and unit files."""
    check = "versions"
    of_daemon, of_keeper = _running_versions(e)
    older = [("the daemon", of_daemon), ("the keeper", of_keeper)]
    differing = [f"{what} is {v}" for what, v in older if v not in (None, __version__)]
    written = {file.version for file in e.status.files if e.status.installed and file.version}
    if written - {__version__}:
        differing.append(f"the installed files are of {', '.join(sorted(written))}")
    data = {
        "runt": __version__,
        "daemon": of_daemon,
        "keeper": of_keeper,
        "files": sorted(written),
    }
    if differing:
        text = f"this is runt {__version__}, but {', '.join(differing)}"
        yield Finding(check, "problem", text, RESTART, data)
    else:
        known = [what for what, v in older if v]
        beside = f"; {' and '.join(known)} too" if known else ""
        yield Finding(check, "ok", f"this is runt {__version__}{beside}", data=data)


def _running_versions(e: Examination) -> tuple[str | None, str | None]:
    try:
        of_daemon = str(e.greeting["version"])
    except Unanswered:
        return None, None
    try:
        found = e.report["keeper"]
    except Unanswered:
        return of_daemon, None
    if found is None:
        return of_daemon, None
    return of_daemon, found["version"] or "older"


def file_limits(e: Examination) -> Iterator[Finding]:
    """Look at how many files daemon and keeper may open, and how many kernels that is."""
    check = "file-limits"
    if not ON_LINUX:
        yield Finding(check, "unknown", "another process's limits cannot be read on this system")
        return
    pids = {"daemon": e.daemon_pid, "keeper": keeper_pid(e)}
    running = {name: pid for name, pid in pids.items() if pid}
    if not running:
        yield Finding(check, "ok", "neither daemon nor keeper runs")
    for name, pid in running.items():
        try:
            soft, hard = limits_of(Path(f"/proc/{pid}/limits").read_text("ascii"))
            used = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        except (FileNotFoundError, ProcessLookupError):
            yield Finding(check, "note", f"the {name} (pid {pid}) has ended just now")
            continue
        yield judge_limits(name, used, soft, hard)


def keeper_pid(e: Examination) -> int | None:
    """Return the keeper that the daemon is connected to, else the one that holds the lock."""
    try:
        found = e.report["keeper"]
    except Unanswered:
        found = None
    return int(found["pid"]) if found else e.keeper_pid


def limits_of(text: str) -> tuple[int | None, int | None]:
    """Return the soft and the hard limit of open files in proc_pid_limits(5); None is no limit."""
    found = re.search(r"(?m)^Max open files\s+(\S+)\s+(\S+)", text)
    if found is None:
        raise ValueError("there is no line on open files")
    soft, hard = (None if word == "unlimited" else int(word) for word in found.groups())
    return soft, hard


def judge_limits(name: str, used: int, soft: int | None, hard: int | None) -> Finding:
    """Return what a limit of open files means for one of our processes."""
    check = "file-limits"
    data = {"process": name, "used": used, "soft": soft, "hard": hard}
    unit = "runtimed-keeper" if name == "keeper" else "runtimed"
    remedy = f"`systemctl --user edit {unit}`: [Service] LimitNOFILE=65536; else `ulimit -n`"
    if soft is None:
        return Finding(check, "ok", f"the {name} may open any number of files", data=data)
    more = max(0, soft - used - _RESERVED_FILES) // _FILES_A_KERNEL
    text = f"the {name} has {used} of {soft} files open"
    if name == "keeper":
        data["more_kernels"] = more
        text += f": {counted(more, 'kernel')} more would fit"
        is_little = more < _FEW_KERNELS
    else:
        is_little = soft - used < _RESERVED_FILES
    return Finding(check, "problem" if is_little else "ok", text, remedy if is_little else "", data)


def clock(e: Examination) -> Iterator[Finding]:
    """Compare the clock to the record."""
    try:
        newest = e.report["newest_event_at"]
    except Unanswered:
        newest = record.newest_event_at(e.instance.state)
    yield judge_clock(datetime.fromtimestamp(time.time(), UTC), newest)


def judge_clock(now: datetime, newest: str | None) -> Finding:
    """Return what is to be thought of the time, if the record's newest event is of ``newest``."""
    remedy = "set the clock (`timedatectl set-ntp true`); the order of the record is kept by number"
    if now < _BEGINNING:
        return Finding("clock", "problem", f"the clock says that it is {now:%Y-%m-%d}", remedy)
    if newest and datetime.fromisoformat(newest) > now + _TOLERANCE:
        text = f"the newest event was recorded at {newest}, which is yet to come"
        return Finding("clock", "problem", f"{text}: the clock was set back", remedy)
    return Finding("clock", "ok", "the clock is not behind the record")


def sessions(e: Examination) -> Iterator[Finding]:
    """Find processes of ours in a login session's scope: they may end with the session."""
    check = "login-session"
    if not ON_LINUX:
        yield Finding(check, "ok", "there are no scopes of login sessions on this system")
        return
    own = [("the daemon", e.daemon_pid), ("the keeper", keeper_pid(e))]
    caught = [name for name, pid in own if pid and session_of(pid)]
    try:
        runtimes = e.runtimes
    except Unanswered:
        runtimes = []
    kernels = [
        f"{short(r['id'])} ({r['name']})"
        for r in runtimes
        if r["origin"] == "launched" and r["status"] != "dead" and r["pid"] and session_of(r["pid"])
    ]
    if caught:
        yield Finding(
            check,
            "problem",
            f"{' and '.join(caught)} {'run' if len(caught) > 1 else 'runs'} in a login session, "
            "and may end at logout",
            remedies.move_out(e),
        )
    if kernels:
        yield Finding(
            check,
            "problem",
            f"{counted(len(kernels), 'kernel')} of ours in a login session may end at logout: "
            f"{some(kernels)}",
            "`runt restart` once the service runs; what is in its memory is lost",
            {"names": kernels},
        )
    if not caught and not kernels:
        yield Finding(check, "ok", "nothing of ours is in a login session that ends at logout")


def session_of(pid: int) -> str | None:
    """Return the scope of the login session that a process is in, None if it is in none."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    found = _SESSION.search(text)
    return found[1] if found else None
