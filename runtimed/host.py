"""What the operating system says about processes."""

from __future__ import annotations

import contextlib
import enum
import gc
import os
import signal
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

#: A constant and not a test of sys.platform, so that the types of both branches are checked.
ON_LINUX = sys.platform == "linux"


#: A variable in the environment of each kernel that the keeper starts: its runtime, and a word that
#: no other process has. What the kernel starts inherits it, whatever session and parent it leaves.
KERNEL_MARK = "RUNTIMED_KERNEL"


class Step(enum.StrEnum):
    """A point at which a crash must leave everything recoverable; tests stop a process there."""

    SUBMIT_COMMITTED = "daemon.submit_committed"
    DISPATCH_UNWRITTEN = "daemon.dispatch_unwritten"
    DISPATCH_WRITTEN = "daemon.dispatch_written"
    RECORDS_READ = "daemon.records_read"
    COMMIT_OPEN = "daemon.commit_open"
    COMMITTED = "daemon.committed"
    PUBLISHED = "daemon.published"

    DISPATCH_RECEIVED = "keeper.dispatch_received"
    SENT_JOURNALED = "keeper.sent_journaled"
    SENT_TO_KERNEL = "keeper.sent_to_kernel"
    DISPATCH_ANSWERED = "keeper.dispatch_answered"
    MESSAGE_RECEIVED = "keeper.message_received"
    MESSAGE_JOURNALED = "keeper.message_journaled"
    DOORBELL_RUNG = "keeper.doorbell_rung"

    PREDECESSOR_ASKED = "predecessor.asked"
    PREDECESSOR_OVERHEARD = "predecessor.overheard"
    PREDECESSOR_HANDED = "predecessor.handed"
    PREDECESSOR_ACCEPTED = "predecessor.accepted"
    PREDECESSOR_LEFT = "predecessor.left"

    SUCCESSOR_CONNECTED = "successor.connected"
    SUCCESSOR_LISTENING = "successor.listening"
    SUCCESSOR_READY = "successor.ready"
    SUCCESSOR_HANDED = "successor.handed"
    SUCCESSOR_ACCEPTED = "successor.accepted"
    SUCCESSOR_TOLD = "successor.told"
    SUCCESSOR_RECOVERED = "successor.recovered"


def _stop_at(setting: str | None) -> tuple[Step | None, int]:
    if not setting:
        return None, 0
    name, _, count = setting.partition(":")
    return Step(name), int(count or 1)


_stop_step, _passings_left = _stop_at(os.environ.get("RUNTIMED_STOP_AT"))


def passing(step: Step) -> None:
    """Die here by SIGKILL if RUNTIMED_STOP_AT names this step (``<step>`` or ``<step>:<nth>``)."""
    if step is not _stop_step:
        return
    global _passings_left
    _passings_left -= 1
    if _passings_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def process_start_time(pid: int) -> int | None:
    """Return when a process started, None if there is none; with the pid it names a process.

    Linux: clock ticks since boot, field 22 of proc_pid_stat(5). Elsewhere: microseconds since 1970.
    """
    if ON_LINUX:
        fields = _stat_fields(pid)
        return int(fields[19]) if fields else None
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 1_000_000)
    except psutil.Error:
        return None


def process_state(pid: int) -> str | None:
    """Return the state letter of proc_pid_stat(5) (R, S, T, Z, …), None if there is no process."""
    if ON_LINUX:
        fields = _stat_fields(pid)
        return fields[0] if fields else None
    import psutil

    letters = {psutil.STATUS_RUNNING: "R", psutil.STATUS_STOPPED: "T", psutil.STATUS_ZOMBIE: "Z"}
    try:
        return letters.get(psutil.Process(pid).status(), "S")
    except psutil.Error:
        return None


def process_cpu_ticks(pid: int) -> int | None:
    """Return how much processor time a process has used so far, None if there is no process.

    In ticks of ``SC_CLK_TCK`` to the second: fields 14 and 15 of proc_pid_stat(5) together.
    """
    if ON_LINUX:
        fields = _stat_fields(pid)
        return int(fields[11]) + int(fields[12]) if fields else None
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return int((times.user + times.system) * os.sysconf("SC_CLK_TCK"))


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the third on: the second may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat[stat.rindex(b")") + 2 :].decode("ascii").split()


def pids() -> list[int]:
    """Return the pids of all processes that can be seen."""
    if ON_LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return list(psutil.pids())


def arguments_of(pid: int) -> list[str]:
    """Return the command line of a process of ours; empty for anybody else's, or none."""
    if ON_LINUX:
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                block = Path(f"/proc/{pid}/cmdline").read_bytes()
                return os.fsdecode(block).removesuffix("\0").split("\0") if block else []
        return []
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return []


def environment_of(pid: int) -> dict[str, str] | None:
    """Return the environment that a process was started with, None if it cannot be read."""
    if not ON_LINUX:
        import psutil

        try:
            return dict(psutil.Process(pid).environ())
        except (psutil.Error, OSError):
            return None
    try:
        block = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    pairs = (os.fsdecode(entry).partition("=") for entry in block.split(b"\0") if b"=" in entry)
    return {name: value for name, _, value in pairs} or None


def working_directory_of(pid: int) -> str | None:
    """Return where a process is now, None if that cannot be known."""
    if ON_LINUX:
        try:
            return os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return None
    import psutil

    try:
        return str(psutil.Process(pid).cwd())
    except (psutil.Error, OSError):
        return None


def parent_and_session(pid: int) -> tuple[int, int]:
    """Return the pids of a process's parent and of the leader of its session; 0 where unknown."""
    if ON_LINUX:
        try:
            fields = _stat_fields(pid)
        except OSError:
            return 0, 0
        return (int(fields[1]), int(fields[3])) if fields else (0, 0)
    import psutil

    try:
        return int(psutil.Process(pid).ppid()), os.getsid(pid)
    except (psutil.Error, OSError):
        return 0, 0


class ProcessFacts(NamedTuple):
    """One process: who it is, and what it has used. Times are as in `process_cpu_ticks`."""

    parent: int
    session: int
    start_time: int
    cpu_ticks: int
    rss_bytes: int


def process_table() -> dict[int, ProcessFacts]:
    """Return all processes that can be seen, by pid.

    The processor time of children that have ended is counted where it can be known (Linux).
    """
    table: dict[int, ProcessFacts] = {}
    if not ON_LINUX:
        import psutil

        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError):
                process = psutil.Process(pid)
                used = process.cpu_times()
                table[pid] = ProcessFacts(
                    process.ppid(),
                    os.getsid(pid),
                    int(process.create_time() * 1_000_000),
                    int((used.user + used.system) * os.sysconf("SC_CLK_TCK")),
                    process.memory_info().rss,
                )
        return table
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    for pid in pids():
        try:
            fields = _stat_fields(pid)
        except OSError:
            continue
        if fields:
            parent, session, start_time = int(fields[1]), int(fields[3]), int(fields[19])
            ticks = sum(map(int, fields[11:15]))
            rss_bytes = int(fields[21]) * page_bytes
            table[pid] = ProcessFacts(parent, session, start_time, ticks, rss_bytes)
    return table


def settle_memory() -> None:
    """Tell the garbage collector that what is loaded stays, and that most else is short-lived.

    A message becomes a few dozen containers that are freed by counting; looking for cycles after
    each 700 of them costs more than what it finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@cache
def boot_id() -> str:
    """Return what tells this boot of the machine from others; pids mean nothing across it."""
    if ON_LINUX:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    import psutil

    return str(int(psutil.boot_time()))
