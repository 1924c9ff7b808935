"""Know a process again, find it, and find its family."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from runtimed.host import ON_LINUX, boot_id, process_start_time, process_state


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot: a pid alone may be another's by now."""

    pid: int
    start_time: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Identify the process that has this pid now, None if there is none."""
        start_time = process_start_time(pid)
        return None if start_time is None else cls(pid, start_time, boot_id())

    def is_alive(self) -> bool:
        """Say whether this very process still runs; a zombie does not."""
        return (
            self.boot_id == boot_id()
            and process_start_time(self.pid) == self.start_time
            and process_state(self.pid) not in (None, "Z", "X")
        )


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


def find_by_argument(text: str) -> Identity | None:
    """Return a process of ours whose command line holds this text, other than this one."""
    for pid in _pids():
        if pid != os.getpid() and text in _command_line(pid):
            return Identity.of(pid)
    return None


def family(pid: int) -> list[Identity]:
    """Return all descendants of a process, and whoever else is in the session that it leads."""
    children: dict[int, list[int]] = {}
    found: set[int] = set()
    for other in _pids():
        parent, session = _parent_and_session(other)
        children.setdefault(parent, []).append(other)
        if session == pid != other:
            found.add(other)
    waiting = [pid, *found]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found and child != pid:
                found.add(child)
                waiting.append(child)
    return [identity for each in found if (identity := Identity.of(each)) is not None]


def _pids() -> list[int]:
    if ON_LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return list(psutil.pids())


def _command_line(pid: int) -> str:
    """Return the arguments of a process of ours, NUL between them; empty for anybody else's."""
    if ON_LINUX:
        directory = Path(f"/proc/{pid}")
        with contextlib.suppress(OSError):
            if directory.stat().st_uid == os.getuid():
                return os.fsdecode((directory / "cmdline").read_bytes())
        return ""
    import psutil

    try:
        return "\0".join(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return ""


def _parent_and_session(pid: int) -> tuple[int, int]:
    if ON_LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return 0, 0
        fields = stat[stat.rindex(b")") + 2 :].split()
        return int(fields[1]), int(fields[3])
    import psutil

    try:
        return int(psutil.Process(pid).ppid()), os.getsid(pid)
    except (psutil.Error, OSError):
        return 0, 0
