"""The keeper's one loop: file descriptors, timers, and work that is left over.

`selectors.DefaultSelector` is epoll or kqueue, whose turn costs what is ready and not what is
watched: `zmq.Poller` would walk every socket on every turn.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
import traceback
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtimed.keeper.log import fail

if TYPE_CHECKING:
    from collections.abc import Callable

READABLE = selectors.EVENT_READ
WRITABLE = selectors.EVENT_WRITE


@dataclass(slots=True, eq=False)
class _Watch:
    """Who is called for a file descriptor; its identity tells a reused number from the old one."""

    callback: Callable[[], None]


class Timer:
    """A call that is due; `cancel` may be called at any time."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Make sure that it is not called (any more)."""
        self.callback = None


class Loop:
    """Call whoever has something to do, in turns, until `stop`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watches: dict[int, _Watch] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_number = itertools.count()
        self._ready: deque[Callable[[], bool]] = deque()
        self._before_wait: list[Callable[[], None]] = []
        self._is_running = False
        self._is_halted = False

    def watch(self, fd: int, callback: Callable[[], None], events: int = READABLE) -> None:
        """Call back whenever the descriptor is ready for ``events``, until `unwatch`."""
        watch = _Watch(callback)
        if fd in self._watches:
            self._selector.modify(fd, events, watch)
        else:
            self._selector.register(fd, events, watch)
        self._watches[fd] = watch

    def unwatch(self, fd: int) -> None:
        """Forget the descriptor; to be called before it is closed."""
        if self._watches.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call once, after a delay."""
        timer = Timer(time.monotonic() + delay_s, callback)
        heapq.heappush(self._timers, (timer.due, next(self._timer_number), timer))
        return timer

    def ready(self, turn: Callable[[], bool]) -> None:
        """Put on the ready list: called once a turn of the loop for as long as it returns True."""
        self._ready.append(turn)

    def before_wait(self, callback: Callable[[], None]) -> None:
        """Call at the end of every turn, when all that was ready has been served once."""
        self._before_wait.append(callback)

    def stop(self) -> None:
        """End `run` after this turn."""
        self._is_running = False

    def halt(self) -> None:
        """End `run` and call nobody any more, also of those who are due in this turn."""
        self._is_running = False
        self._is_halted = True

    def run(self) -> None:
        """Serve until `stop`."""
        self._is_running = True
        while self._is_running:
            for callback in self._before_wait:
                self.guard(callback)
            if self._is_halted:
                return
            for key, _ in self._selector.select(self._timeout_s()):
                watch = self._watches.get(key.fd)
                if watch is not None and watch is key.data:
                    self.guard(watch.callback)
            self._run_timers()
            self._run_ready()

    def _timeout_s(self) -> float | None:
        if self._ready:
            return 0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic())

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                self.guard(timer.callback)

    def _run_ready(self) -> None:
        for _ in range(len(self._ready)):
            self.guard(self._run_turn)

    def _run_turn(self) -> None:
        turn = self._ready.popleft()
        if turn():
            self._ready.append(turn)

    def guard(self, callback: Callable[[], None]) -> bool:
        """Call, and log what nobody expected; return whether it went well.

        The root of all the keeper's work: a defect met in serving one runtime must not take the
        connections of all the others with it.
        """
        if self._is_halted:
            return True
        try:
            callback()
        except Exception:  # noqa: BLE001
            fail("defect: " + traceback.format_exc())
            return False
        return True
