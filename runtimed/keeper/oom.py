"""Tell a kernel that the system killed for want of memory from one that somebody killed.

Both die of SIGKILL. The system counts its kills by control group: a kernel that died of a SIGKILL
which was not ours, while the count of its group grew, is taken for one of them.

What cannot be known: whether it was this process, where others of its group were killed meanwhile
(a worker that it had started, another program of the session) and somebody sent a SIGKILL on top;
anything of a process that is not our child, whose signal nobody tells us; anything outside Linux.
Without a group's count there is only the whole machine's, which is that much weaker. A kernel that
dies of a failed allocation, with an exit code or SIGABRT, was not killed.

https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files (memory.events)
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (memory.oom_control)
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIELD = "oom_kill"


class OomKills:
    """The kills that the system has counted, less those that were found to explain an exit."""

    def __init__(self, cgroups: str = "/sys/fs/cgroup", proc: str = "/proc") -> None:
        self._cgroups = cgroups
        self._proc = proc
        self._explained: Counter[str] = Counter()

    def before(self, pid: int, *, is_leaving: bool = False) -> dict[str, int]:
        """Return what to give `has_killed` when this process has ended: counts by file.

        With ``is_leaving`` the group that it is in now will not be its own.
        """
        counts = ((path, self._unexplained(path)) for path in self._files(pid, is_leaving))
        return {path: count for path, count in counts if count is not None}

    def has_killed(self, before: Mapping[str, int]) -> bool:
        """Say whether there is a kill since then that explains no other exit; it explains this.

        The first file counts that can still be read: a group may vanish with its last process.
        """
        paths = iter(before)
        for path in paths:
            now = self._unexplained(path)
            if now is not None:
                if now > before[path]:
                    self._explained.update([path, *paths])  # those that follow count it as well
                    return True
                return False
        return False

    def _unexplained(self, path: str) -> int | None:
        count = _count(path)
        return None if count is None else count - self._explained[path]

    def _files(self, pid: int, is_leaving: bool) -> Iterator[str]:
        """Yield the files that count a process's kills, the closest first.

        A group of cgroup v2 counts the kills in all groups below it too, and those above outlast
        it: a kernel's own scope may go with its last process.
        """
        try:
            groups = Path(self._proc, str(pid), "cgroup").read_text("utf-8", "surrogateescape")
        except OSError:
            groups = ""
        for line in groups.splitlines():
            hierarchy, controllers, group = (*line.split(":", 2), "", "")[:3]
            group = group.lstrip("/")
            if "memory" in controllers.split(","):
                yield os.path.join(self._cgroups, "memory", group, "memory.oom_control")
            elif hierarchy == "0":
                for each in _and_above(group)[int(is_leaving) :]:
                    yield os.path.join(self._cgroups, each, "memory.events")
                    yield os.path.join(self._cgroups, "unified", each, "memory.events")
        yield os.path.join(self._proc, "vmstat")


def _and_above(group: str) -> list[str]:
    groups = [group]
    while "/" in groups[-1]:
        groups.append(os.path.dirname(groups[-1]))
    return groups


def _count(path: str) -> int | None:
    try:
        lines = Path(path).read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(" ")
        if name == _FIELD and value.strip().isdigit():
            return int(value)
    return None
