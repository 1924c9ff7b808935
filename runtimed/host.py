"""What the operating system says about processes and wants to hear from services."""

from __future__ import annotations

import enum
import gc
import os
import signal
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sdnotify

#: A constant and not a test of sys.platform, so that the types of both branches are checked.
ON_LINUX = sys.platform == "linux"


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


class ServiceManager:
    """Whoever supervises this process, told through ``sd_notify``; nobody where it is not set."""

    def __init__(self) -> None:
        self.is_present = "NOTIFY_SOCKET" in os.environ
        self._notifier: sdnotify.SystemdNotifier | None = None
        if self.is_present:
            import sdnotify

            self._notifier = sdnotify.SystemdNotifier()

    def notify(self, state: str) -> None:
        """Send one state, such as ``READY=1``; a manager that has gone is not an error."""
        if self._notifier is not None:
            self._notifier.notify(state)


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


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the third on: the second may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat[stat.rindex(b")") + 2 :].decode("ascii").split()


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
