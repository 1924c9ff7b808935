"""The daemon's socket: its file, who listens there, and who answers."""

from __future__ import annotations

import os
import signal
import socket as sockets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runt.doctor import remedies
from runt.doctor.examination import Examination, Unanswered
from runt.doctor.finding import Finding, some
from runt.render import home
from runtimed.host import ON_LINUX, process_state
from runtimed.managers.detached import Detached, holder_of
from runtimed.paths import UnsafePath, check_socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Of a socket that listens, in /proc/net/unix (linux/net.h: __SO_ACCEPTCON).
_LISTENS = 0x10000


def socket(e: Examination) -> Iterator[Finding]:
    """Look at the socket's file, and whether it is our daemon that is behind it."""
    path = e.instance.socket
    try:
        check_socket_path(path)
        check_socket_path(e.instance.state.keeper_socket)
        found = os.lstat(path)
    except UnsafePath as unsafe:
        yield Finding("socket", "problem", str(unsafe), "set it to a shorter path")
        return
    except (FileNotFoundError, NotADirectoryError):
        yield _no_socket(e, path)
        return
    if not stat.S_ISSOCK(found.st_mode):
        text = f"{home(path)} is no socket, so none can be made there"
        yield Finding("socket", "problem", text, f"move {path} away, if it is yours")
    elif found.st_uid != os.getuid():
        text = f"{home(path)} belongs to uid {found.st_uid}, not to us"
        yield Finding("socket", "problem", text, "set RUNTIMED_SOCKET to another path")
    else:
        if found.st_mode & 0o077:
            yield _open_socket(path, found.st_mode)
        yield _behind(e, path)


def _open_socket(path: str, mode: int) -> Finding:
    def close() -> str:
        os.chmod(path, 0o600)
        return f"{home(path)} was closed to others (0600)"

    text = f"{home(path)} has mode {stat.S_IMODE(mode):04o}; it should be 0600"
    return Finding("socket", "problem", text, f"chmod 600 {path}", repair=close)


def _no_socket(e: Examination, path: str) -> Finding:
    if e.daemon_pid is not None:
        return _not_there(e, path) or _gone(e, path, f"the daemon runs (pid {e.daemon_pid})")
    if e.is_activated():
        return _gone(e, path, "the service manager listens")
    return Finding("socket", "ok", f"nobody answers at {home(path)}: no daemon runs")


def _gone(e: Examination, path: str, who: str) -> Finding:
    return Finding(
        "socket",
        "problem",
        f"{who}, but its socket {home(path)} is gone, so that nobody reaches it",
        remedies.restart(e),
        repair=remedies.restarting(e),
    )


def _behind(e: Examination, path: str) -> Finding:
    """Return who is behind a socket that is there."""
    if e.daemon_pid is not None:
        try:
            answers = e.greeting
        except Unanswered as unanswered:
            return _not_there(e, path) or _silent(e, unanswered)
        if answers["state_dir"] == e.instance.state_dir:
            # It may have been replaced since the lock was looked at.
            return Finding("socket", "ok", f"pid {answers['pid']} answers at {home(path)}")
        return Finding(
            "socket",
            "problem",
            f"pid {answers['pid']} with the state in {home(answers['state_dir'])} answers at "
            f"{home(path)}, and not pid {e.daemon_pid} that has {home(e.instance.state_dir)}",
            "give each state directory a socket of its own, by RUNTIMED_SOCKET",
        )
    if e.is_activated():
        return Finding("socket", "ok", f"the service manager listens at {home(path)}")
    if _accepts(path):
        return Finding(
            "socket",
            "problem",
            f"something listens at {home(path)}, and it is not the daemon of "
            f"{home(e.instance.state_dir)}",
            f"`ss -xlp src {path}` says what; end it, or set RUNTIMED_SOCKET to another path",
        )
    if e.status.installed:
        # Service managers leave the file of a socket that they close; they make it anew.
        return Finding("socket", "ok", f"nobody answers at {home(path)}: the service was stopped")
    return _left_behind(e, path)


def _not_there(e: Examination, path: str) -> Finding | None:
    """Return that the daemon does not listen here, if that is known."""
    pid = e.daemon_pid
    listening = _listening(pid) if pid else set()
    if listening is None or path in listening:
        return None
    if not listening:
        return Finding("socket", "note", "a daemon starts, or stops, just now", data={"pid": pid})
    there = sorted(listening)
    moving = f"{_quoted(remedies.restart(e))} has it listen here"
    return Finding(
        "socket",
        "problem",
        f"the daemon (pid {pid}) listens at {some([home(each) for each in there])}, and not at "
        f"{home(path)}",
        "unset RUNTIMED_SOCKET, or set it to that"
        if "RUNTIMED_SOCKET" in os.environ
        else f"set RUNTIMED_SOCKET to that, or {moving}",
        {"pid": pid, "names": there},
    )


def _quoted(remedy: str) -> str:
    return remedy if "`" in remedy else f"`{remedy}`"


def _silent(e: Examination, unanswered: Unanswered) -> Finding:
    """Return why a daemon that listens here does not answer, as far as can be seen."""
    pid, data = e.daemon_pid or 0, {"pid": e.daemon_pid}
    if process_state(pid) == "T":

        def go_on() -> str:
            os.kill(pid, signal.SIGCONT)
            return f"the daemon (pid {pid}), which was stopped, goes on"

        text = f"the daemon (pid {pid}) does not answer: it was stopped (SIGSTOP); {unanswered}"
        remedy = f"`kill -CONT {pid}`, or {_quoted(remedies.restart(e))}"
        return Finding("socket", "problem", text, remedy, data, go_on)
    text = f"the daemon (pid {pid}) runs, but: {unanswered}"
    return Finding("socket", "problem", text, remedies.restart(e), data)


def _left_behind(e: Examination, path: str) -> Finding:
    def remove() -> str:
        # Whoever starts a daemon has this lock, so none is being started now.
        with Detached(e.instance).one_starts():
            if holder_of(e.instance.state.daemon_lock) is not None or _accepts(path):
                return "somebody has come to listen there meanwhile"
            os.unlink(path)
        return f"{home(path)}, at which nobody listened, was removed"

    text = f"nobody listens at {home(path)}: a daemon was killed and has left it behind"
    return Finding("socket", "problem", text, f"rm {path}", repair=remove)


def _accepts(path: str) -> bool:
    with sockets.socket(sockets.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def _listening(pid: int) -> set[str] | None:
    """Return the paths at which a process listens, None where that cannot be known."""
    if not ON_LINUX:
        return None
    try:
        inodes = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        lines = Path(f"/proc/{pid}/net/unix").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    return paths_of(lines[1:], inodes)


def paths_of(lines: list[str], inodes: set[str]) -> set[str]:
    """Return the paths of the sockets that listen, of those with these inodes (unix(7))."""
    found = set()
    for line in lines:
        _, _, _, flags, _, _, *rest = line.split(maxsplit=7)
        if int(flags, 16) & _LISTENS and len(rest) == 2 and f"socket:[{rest[0]}]" in inodes:
            found.add(rest[1])
    return found
