"""What kernels use of memory and processors, with all processes below them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtimed.host import process_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtimed.host import ProcessFacts


@dataclass(slots=True, frozen=True)
class Usage:
    """Of one kernel's processes together. ``cpu_percent`` is since the reading before, if any.

    Memory that they share counts once for each. 100 percent is one processor.
    """

    rss_bytes: int
    cpu_percent: float | None


class Meter:
    """Reads all kernels in one pass over the processes, however many kernels there are."""

    def __init__(self) -> None:
        self._before: dict[tuple[int, int], tuple[int, float]] = {}

    def read(self, kernels: Mapping[int, int | None]) -> dict[int, Usage]:
        """Return the use of each kernel that lives. ``kernels`` are pids with start times.

        One whose start time is another's by now is left out. May be called in a thread.
        """
        if not kernels:
            return {}
        table, now_s = process_table(), time.monotonic()
        families = _families(kernels, table)
        before, self._before = self._before, {}
        found = {}
        for pid, start_time in kernels.items():
            facts = table.get(pid)
            if facts is None or start_time not in (None, facts.start_time):
                continue
            members = [facts, *families[pid]]
            ticks = sum(each.cpu_ticks for each in members)
            key = (pid, facts.start_time)
            self._before[key] = (ticks, now_s)
            rss_bytes = sum(each.rss_bytes for each in members)
            found[pid] = Usage(rss_bytes, _percent(before.get(key), ticks, now_s))
        return found


def _percent(before: tuple[int, float] | None, ticks: int, now_s: float) -> float | None:
    if before is None or now_s <= before[1]:
        return None
    used_s = max(0, ticks - before[0]) / os.sysconf("SC_CLK_TCK")
    return round(100 * used_s / (now_s - before[1]), 1)


def _families(
    roots: Iterable[int], table: Mapping[int, ProcessFacts]
) -> dict[int, list[ProcessFacts]]:
    """Return the processes below each root; a process in its session counts as below it.

    A process belongs to the root that is nearest above it.
    """
    families: dict[int, list[ProcessFacts]] = {root: [] for root in roots}
    for pid, facts in table.items():
        if pid not in families and (root := _root_of(pid, families, table)) is not None:
            families[root].append(facts)
    return families


def _root_of(
    pid: int, roots: Mapping[int, list[ProcessFacts]], table: Mapping[int, ProcessFacts]
) -> int | None:
    seen = set()
    while (facts := table.get(pid)) is not None and pid not in seen:
        seen.add(pid)
        for above in (facts.parent, facts.session):
            if above in roots and above != pid:
                return above
        pid = facts.parent
    return None
