"""Know a process again, find it, and find its family."""

from __future__ import annotations

import os
from dataclasses import dataclass

from runtimed.host import (
    KERNEL_MARK,
    arguments_of,
    boot_id,
    environment_of,
    parent_and_session,
    pids,
    process_start_time,
    process_state,
)


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


def find_by_argument(text: str) -> Identity | None:
    """Return a process of ours whose command line holds this text, other than this one."""
    for pid in pids():
        if pid != os.getpid() and any(text in word for word in arguments_of(pid)):
            return Identity.of(pid)
    return None


def family(pid: int) -> list[Identity]:
    """Return all descendants of a process, and whoever else is in the session that it leads.

    What has left both carries the mark of the kernel still, where the keeper has given it one.
    """
    children: dict[int, list[int]] = {}
    found: set[int] = set()
    for other in pids():
        parent, session = parent_and_session(other)
        children.setdefault(parent, []).append(other)
        if session == pid != other:
            found.add(other)
    found |= _marked_like(pid)
    waiting = [pid, *found]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found and child != pid:
                found.add(child)
                waiting.append(child)
    return [identity for each in found if (identity := Identity.of(each)) is not None]


def _marked_like(pid: int) -> set[int]:
    """Return the other processes of ours that have the kernel's mark in their environment."""
    mark = (environment_of(pid) or {}).get(KERNEL_MARK)
    if mark is None:
        return set()
    others = (other for other in pids() if other not in (pid, os.getpid()))
    return {each for each in others if (environment_of(each) or {}).get(KERNEL_MARK) == mark}
