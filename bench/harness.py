"""What the figures share: a daemon of one's own, measuring side by side, and how a value reads."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtimed.api.daemon import DaemonStatusGet
from runtimed.client.blocking import Client, connect
from tests.harness.daemon import Daemon, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Bytes of the megabytes that the figures are given in.
MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Value:
    """One measured value, and what it is compared with.

    ``bound`` is issue 2's: of the ratio where there is a reference, else of the value itself.
    """

    name: str
    ours: float
    unit: str
    reference: float | None = None
    of: str = ""
    bound: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.reference is None else self.ours / self.reference

    def __str__(self) -> str:
        parts = [f"{self.name:<36} {self.ours:10.2f} {self.unit:<3}"]
        bounded = self.ours
        if self.reference is not None:
            bounded = self.ours / self.reference
            parts.append(f"{self.of} {self.reference:.2f} {self.unit}, ratio {bounded:.3f}")
        if self.bound is not None:
            parts.append(f"bound {self.bound:g}{'' if bounded <= self.bound else ' MISSED'}")
        return "  ".join([*parts, self.note] if self.note else parts)


@contextmanager
def new_state() -> Iterator[State]:
    """Make an isolated user, and leave nothing of it behind."""
    state = State.create()
    try:
        yield state
    finally:
        state.dispose()


@contextmanager
def new_daemon() -> Iterator[Daemon]:
    """Start a daemon of an isolated user."""
    with new_state() as state:
        daemon = Daemon(state).start()
        try:
            yield daemon
        finally:
            daemon.dispose()


def client_of(daemon: Daemon) -> Client:
    return connect(str(daemon.state.socket), start=False, client="bench")


def keeper_pid(client: Client) -> int:
    pid = client.call(DaemonStatusGet()).keeper_pid
    assert pid is not None, "no keeper runs"
    return pid


def seconds(action: Callable[[], object]) -> float:
    """Return how long the action takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Return the medians of both, in seconds: one of each in turn, each of them first as often."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        order = ((0, ours), (1, theirs)) if number % 2 else ((1, theirs), (0, ours))
        for place, action in order:
            taken[place].append(seconds(action))
    return statistics.median(taken[0]), statistics.median(taken[1])


def memory_mb(pid: int, field: str) -> float:
    """Return ``VmRSS`` or ``VmHWM`` of a process (proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MB
    raise ValueError(f"{field} is not known of {pid}")
