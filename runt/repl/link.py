"""The REPL's connection to the daemon: a thread that reads, writes, and dials again.

`Feed` blocks while it dials, so it has a thread of its own; what it reads is handed to the loop.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from runt import session
from runt.feed import Feed
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from runtimed.client.lines import LineClient

    Events = list[dict[str, Any]]

#: Between two tries to reach a daemon that went away.
_PATIENCE_S = (0.2, 0.5, 1.0, 2.0, 4.0)


class Link:
    """Events of one runtime, and calls, across lost connections. Called from the loop's thread.

    ``deliver`` gets events, ``fail`` what ends the link: both in the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runtime: str,
        *,
        deliver: Callable[[Events], None],
        fail: Callable[[CallFailed], None],
    ) -> None:
        self._loop, self._runtime = loop, runtime
        self._deliver, self._fail = deliver, fail
        # An answer that arrives twice may answer the next question, too.
        self._feed = Feed(self._connect, {"runtime": runtime}, once=("execution.input",))
        self._asked: deque[tuple[str, dict[str, Any], Future[Any]]] = deque()
        self._wakes, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._reads = True
        self._failure: CallFailed | None = None
        self._ended = threading.Event()
        # A daemon that does not answer must not keep who leaves.
        self._thread = threading.Thread(target=self._run, name="runt link", daemon=True)

    def start(self) -> Future[Any]:
        """Connect; the future is done when what happens from then on will be delivered."""
        ready = self.call("runtime.get", {"runtime": self._runtime})
        self._thread.start()
        return ready

    def call(self, method: str, params: dict[str, Any]) -> Future[Any]:
        """Send a request. It is sent again on the next connection if this one ends before."""
        future: Future[Any] = Future()
        self._asked.append((method, params, future))
        self._awake()
        if self._failure is not None:
            self._settle_all(self._failure)  # the thread has ended, and takes nothing any more
        return future

    def read(self, wanted: bool) -> None:
        """Say whether more is to be read now; while not, the daemon keeps it for us."""
        if wanted != self._reads:
            self._reads = wanted
            self._awake()

    def close(self) -> None:
        """Hang up."""
        self._ended.set()
        self._awake()
        self._thread.join(1.0)

    def _awake(self) -> None:
        try:
            os.write(self._wake, b"!")
        except BlockingIOError:
            pass  # it is awake

    # In the thread

    def _connect(self) -> LineClient:
        """Connect as every verb does, but not give up at once: a restart takes its time."""
        for patience_s in _PATIENCE_S:
            try:
                return session.connect()
            except CallFailed as failure:
                if failure.name not in session.GONE or self._ended.wait(patience_s):
                    raise
        return session.connect()

    def _run(self) -> None:
        try:
            self._feed.open()
            while not self._ended.is_set():
                self._turn()
        except CallFailed as failure:
            self._end(failure)
        finally:
            self._feed.close()

    def _turn(self) -> None:
        while self._asked:
            method, params, future = self._asked.popleft()
            self._feed.request(method, params, _answering(future))
        poll = select.poll()
        poll.register(self._wakes, select.POLLIN)
        if self._reads:
            poll.register(self._feed.fileno(), select.POLLIN)
        ready = dict(poll.poll())
        if self._wakes in ready:
            os.read(self._wakes, 4096)
        if self._reads and self._feed.fileno() in ready:
            events = self._feed.receive()
            if events:
                self._hand(self._deliver, events)

    def _end(self, failure: CallFailed) -> None:
        self._failure = failure
        # First, so that who waited for an answer knows that there will be no other one.
        self._hand(self._fail, failure)
        self._feed.fail(failure)
        self._settle_all(failure)

    def _settle_all(self, failure: CallFailed) -> None:
        while self._asked:
            try:
                *_, future = self._asked.popleft()
            except IndexError:  # the other thread has it
                return
            _answering(future)(None, failure)

    def _hand(self, function: Callable[[Any], None], argument: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:
            self._ended.set()  # the loop is closed: nobody listens


def _answering(future: Future[Any]) -> Callable[[Any, CallFailed | None], None]:
    """Return what settles the future; whoever waited may have given up."""

    def then(result: Any, failure: CallFailed | None) -> None:
        try:
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)
        except InvalidStateError:
            pass

    return then
