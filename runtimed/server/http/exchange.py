"""One request: who calls, what a handler may ask of its connection, and its calls' tasks."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from runtimed.api.errors import InvalidParams, ShuttingDown
from runtimed.server.waits import end_now
from runtimed.service.binding import Caller, EventStream
from runtimed.wire import jsonrpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from runtimed.api.call import Call
    from runtimed.server.door import Peer
    from runtimed.server.hall import Hall
    from runtimed.server.http.messages import Request

#: Characters of a client's own name that go on the record.
_CLIENT_CHARS = 64


class Exchange:
    """What stands between a request and its response. Implements `binding.Connection`.

    An endpoint that answers with a stream sets ``takes_streams`` before it performs the call, and
    finds the subscriptions in ``streams``; they are closed when the exchange is over.
    """

    repeats_calls = False

    def __init__(
        self, request: Request, hall: Hall, peer: Peer, body: Callable[[], Awaitable[bytes]]
    ) -> None:
        """``body`` reads what follows the head; it may be called once."""
        self.request = request
        self.hall = hall
        self.body = body
        self.client = _client_of(request)
        self.agent: str | None = None
        self.caller = Caller(peer.uid, peer.pid, self)
        self.takes_streams = False
        self.streams: list[EventStream] = []
        self._waiting: set[asyncio.Task[Any]] = set()
        self._timeouts: set[asyncio.Timeout] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_cut_short = False

    async def perform(self, call: Call[Any]) -> Any:
        """Have the call handled, and return its result. Raises `ApiError`."""
        return await self.finish(self.hall.dispatcher.perform(call, self.caller), call.method)

    async def answer(self, request: jsonrpc.Request) -> bytes | None:
        """Have a JSON-RPC request handled, and return its encoded answer."""
        try:
            work = self.hall.dispatcher.handle(request, self.caller)
            answer: bytes | None = await self.finish(work, request.method[:50])
            return answer
        except ShuttingDown as error:
            return None if request.id is None else jsonrpc.encode_error(request.id, error)

    async def wait(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run what is pointless once the peer has gone, such as writing a stream to it."""

        async def waiting() -> None:
            with self.waiting():
                await work

        try:
            await self.finish(waiting(), name)
        except ShuttingDown:
            work.close()

    async def finish(self, work: Coroutine[Any, Any, Any], name: str) -> Any:
        """Run it in a task of its own: what waits is cancelled without the rest of the exchange."""
        task = self.hall.tasks.create_task(_outcome(work), name=f"http {name}")
        self._tasks.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._tasks.discard(task)
        if task.cancelled():
            raise ShuttingDown
        result, error = task.result()
        if error is not None:
            raise error
        return result

    # What handlers ask (binding.Connection).

    def follow(self, stream: EventStream) -> None:
        if not self.takes_streams:
            stream.close()
            raise InvalidParams(detail="events do not come here; GET /v0/events is a stream")
        self.streams.append(stream)

    def unfollow(self, subscription: str) -> bool:
        return False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        if self._is_cut_short:
            task.cancel()
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)

    @contextmanager
    def ending(self, timeout: asyncio.Timeout) -> Iterator[None]:
        if self._is_cut_short:
            end_now(timeout)
        self._timeouts.add(timeout)
        try:
            yield
        finally:
            self._timeouts.discard(timeout)

    # What the connection says.

    def cut_short(self) -> None:
        """End what waits, now and from now on: the peer has gone, or the service stops."""
        self._is_cut_short = True
        for task in list(self._waiting):
            task.cancel()
        for timeout in self._timeouts:
            end_now(timeout)

    def cut(self) -> None:
        """End everything."""
        self.cut_short()
        for task in list(self._tasks):
            task.cancel()

    def close(self) -> None:
        for stream in self.streams:
            stream.close()


async def _outcome(work: Coroutine[Any, Any, Any]) -> tuple[Any, Exception | None]:
    """Return the result, or what went wrong: an error of one request is not the server's."""
    try:
        return await work, None
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return None, error


def _client_of(request: Request) -> str:
    """Return the kind of client: the first product of its User-Agent (RFC 9110 §10.1.5)."""
    words = (request.header("user-agent") or "").split()
    name = words[0].partition("/")[0] if words else ""
    return name[:_CLIENT_CHARS] or "http"
