"""One client that speaks HTTP/1.1: requests in, responses out, one after the other (RFC 9112).

Bytes and messages are h11's business, time and order ours. One task a connection reads a head,
has it answered, writes the response, and reads on; what a pipelining client sends meanwhile waits.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import h11

from runtimed.api.errors import RequestTooLarge, ShuttingDown
from runtimed.server.farewell import Farewell
from runtimed.server.http.exchange import Exchange
from runtimed.server.http.heads import head_of, request_of
from runtimed.server.http.incoming import Incoming
from runtimed.server.http.messages import HttpError, Over, Request, Response
from runtimed.server.http.problems import RETRY_AFTER_S, problem_of, problem_of_http
from runtimed.server.http.service import respond

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runtimed.server.door import Peer
    from runtimed.server.hall import Hall

log = logging.getLogger(__name__)

#: What has been read and nobody wants yet; past it, no more is read.
_READ_AHEAD_BYTES = 64 * 1024
#: Pieces of a body that are taken in one turn of the loop: each may be one byte long.
_PIECES_A_TURN = 64


class HttpConnection(asyncio.Protocol):
    """Answer requests in their order. What becomes pointless when the peer goes is cancelled.

    A peer that ends its sending half still gets its answers.
    """

    def __init__(self, hall: Hall, peer: Peer) -> None:
        self._hall = hall
        self._peer = peer
        self._incoming = Incoming()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._body_bytes = 0
        self._is_head = False
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None]
        self._peer_has_ended = False
        self._has_gone = False
        self._is_over = False

    @classmethod
    def take_over(
        cls, transport: asyncio.Transport, hall: Hall, peer: Peer, begin: bytes, *, ended: bool
    ) -> None:
        """Put a connection in the place of the transport's protocol, with what was read."""
        connection = cls(hall, peer)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection._incoming.put(begin)
        if ended:
            connection.eof_received()
        connection._task = hall.tasks.create_task(connection._converse(), name="http connection")

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fd: int = transport.get_extra_info("socket").fileno()
        self._transport.set_write_buffer_limits(high=self._hall.limits.event_bytes)
        self._hall.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._incoming.put(data)
        if self._incoming.waiting_bytes > _READ_AHEAD_BYTES:
            self._transport.pause_reading()
            if self._h11.their_state is not h11.SEND_BODY:
                # Nothing is read now, so this alone tells that the peer goes.
                self._hall.hangups.watch(self._fd, self._transport.abort)
        self._arrived.set()

    def eof_received(self) -> bool:
        self._peer_has_ended = True
        self._incoming.put(b"")
        self._hall.hangups.watch(self._fd, self._transport.abort)
        self._arrived.set()
        return True

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_gone = True
        self._hall.leave(self._transport)
        self._forget()
        self._arrived.set()
        self._writable.set()
        if self._exchange is not None:
            self._exchange.cut_short()

    @property
    def _h11(self) -> h11.Connection:
        return self._incoming.h11

    # What the server asks.

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The request that is being worked on."""
        return set() if self._exchange is None else {self._task}

    def stop(self) -> None:
        """Take no more requests; end waits and streams, and close when the rest is answered."""
        if self._exchange is None:
            self._arrived.set()
        else:
            self._exchange.cut_short()

    def cut(self) -> None:
        """Answer what is in flight with `ShuttingDown`, here and now."""
        if self._exchange is None or self._has_gone or self._is_over:
            return
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = problem_of(ShuttingDown())
            response.closes = True
            self._write(head_of(response))
            self._write_whole(cast("bytes", response.body))
        self._is_over = True
        self._exchange.cut()

    # The conversation.

    async def _converse(self) -> None:
        try:
            while not (self._is_over or self._hall.is_stopping):
                await self._answer_one()
        except Over:
            pass
        except Exception:  # the root of a connection's task
            log.exception("an HTTP connection failed")
        finally:
            self._hold(0)
            self._end()

    async def _answer_one(self) -> None:
        """Read one request and answer it. Raises `Over`."""
        try:
            request = await self._head()
            self._exchange = Exchange(request, self._hall, self._peer, self._body)
            if self._has_gone:  # what it has sent is done all the same
                self._exchange.cut_short()
            try:
                response = await respond(self._exchange)
                await self._send(response)
            finally:
                self._exchange.close()
                self._exchange = None
                self._hold(0)
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            if status == 431 and not self._incoming.has_line:
                status = 414
            await self._refuse(HttpError(status, f"this is no HTTP/1.1: {error}"))
        except HttpError as error:
            await self._refuse(error)
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            raise Over
        if not self._incoming.is_empty:  # who sends many at once gives others a turn
            await asyncio.sleep(0)

    async def _head(self) -> Request:
        """Return the next request. Raises `Over`, or `HttpError` for one that takes too long."""
        self._is_head = False
        self._incoming.skip_empty_lines()
        begin_bytes = self._incoming.taken_bytes
        if self._incoming.is_empty and not self._peer_has_ended:
            await self._beginning()
            begin_bytes = self._incoming.taken_bytes
        limits = self._hall.limits
        try:
            async with asyncio.timeout(limits.http_head_s):
                while (event := self._incoming.next_event()) is h11.NEED_DATA:
                    await self._more()
        except TimeoutError:
            detail = f"the request's head took longer than {limits.http_head_s:g} s"
            raise HttpError(408, detail) from None
        if not isinstance(event, h11.Request):
            raise Over
        self._is_head = event.method == b"HEAD"
        return request_of(event, self._incoming.taken_bytes - begin_bytes)

    async def _beginning(self) -> None:
        """Wait for a request to begin. Raises `Over` where none does for too long.

        A peer that still reads the answer before is not idle.
        """
        unread_bytes = self._transport.get_write_buffer_size()
        while True:
            try:
                async with asyncio.timeout(self._hall.limits.http_idle_s):
                    while self._incoming.is_empty and not self._peer_has_ended:
                        await self._more()
                        self._incoming.skip_empty_lines()
                    return
            except TimeoutError:
                left_bytes = self._transport.get_write_buffer_size()
                if left_bytes >= unread_bytes:
                    raise Over from None
                unread_bytes = left_bytes

    async def _more(self) -> None:
        """Wait until the peer has sent more, ended, or gone. Raises `Over` if nothing will come."""
        if self._has_gone or (self._exchange is None and self._hall.is_stopping):
            raise Over
        self._arrived.clear()
        self._read_on()
        await self._arrived.wait()

    def _read_on(self) -> None:
        """Read, unless too much waits already; then only see whether the peer goes."""
        if self._incoming.waiting_bytes > _READ_AHEAD_BYTES:
            self._hall.hangups.watch(self._fd, self._transport.abort)
        else:
            if not self._peer_has_ended:
                self._hall.hangups.forget(self._fd)
            self._transport.resume_reading()

    async def _body(self) -> bytes:
        """Return the request's body. Raises `ApiError`, `HttpError` or `Over`."""
        limits, pieces, taken = self._hall.limits, bytearray(), 0
        begun_at = asyncio.get_running_loop().time()
        if self._h11.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        while True:
            event = self._incoming.next_event()
            if isinstance(event, h11.Data):
                pieces += event.data
                self._hold(len(pieces))
                if len(pieces) > limits.line_bytes:
                    raise RequestTooLarge(detail=f"a body has at most {limits.line_bytes} bytes")
                if self._hall.unended_bytes > limits.unended_bytes:
                    detail = "requests that are on their way take all the room that there is"
                    raise HttpError(503, detail, ("Retry-After", str(RETRY_AFTER_S)))
                taken += 1
                if taken % _PIECES_A_TURN == 0:
                    await asyncio.sleep(0)
            elif isinstance(event, h11.EndOfMessage):
                self._hold(0)
                self._read_on()
                return bytes(pieces)
            else:
                # It goes on coming, and as a whole not too slowly: others wait for its room.
                whole_s = limits.http_head_s + len(pieces) / limits.http_body_bytes_per_s
                await self._more_of_body(begun_at + whole_s)

    async def _more_of_body(self, latest: float) -> None:
        loop, wait_s = asyncio.get_running_loop(), self._hall.limits.http_head_s
        try:
            async with asyncio.timeout_at(min(loop.time() + wait_s, latest)):
                await self._more()
        except TimeoutError:
            raise HttpError(408, "the request's body comes too slowly") from None

    def _hold(self, body_bytes: int) -> None:
        """Note what is held of a body whose end has not come."""
        self._hall.unended_bytes += body_bytes - self._body_bytes
        self._body_bytes = body_bytes

    # Writing.

    async def _refuse(self, error: HttpError) -> None:
        """Answer what is no request, if that can be answered still, and hang up."""
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = problem_of_http(error)
            response.closes = True
            await self._send(response)
        raise Over

    async def _send(self, response: Response) -> None:
        await self._drop_body()
        if self._is_over:
            raise Over
        # What has not come of a body is not waited for: the connection ends with the response.
        response.closes |= self._h11.their_state is h11.SEND_BODY or self._hall.is_stopping
        self._write(head_of(response))
        if isinstance(response.body, bytes):
            self._write_whole(response.body)
        elif self._is_head:
            await response.body.aclose()
            self._write(h11.EndOfMessage())
        else:
            await self._send_pieces(response.body, response.length_bytes)
        await self._drain()

    async def _drop_body(self) -> None:
        """Take what is there of a body that nobody wanted; mostly there is none."""
        taken = 0
        while self._h11.their_state is h11.SEND_BODY:
            if self._incoming.next_event() is h11.NEED_DATA:
                return
            taken += 1
            if taken % _PIECES_A_TURN == 0:
                await asyncio.sleep(0)

    async def _send_pieces(
        self, body: AsyncGenerator[bytes, None], length_bytes: int | None
    ) -> None:
        exchange = cast("Exchange", self._exchange)

        async def write() -> None:
            async with aclosing(body) as pieces:
                async for piece in pieces:
                    if self._has_gone:
                        return
                    self._write(h11.Data(data=piece))
                    if length_bytes is None:  # who does not read events is left behind by the hub
                        await self._writable.wait()
                    else:
                        await self._drain()

        await exchange.wait(write(), "stream")
        await body.aclose()
        if self._has_gone or self._is_over:
            raise Over
        try:
            self._write(h11.EndOfMessage())
        except h11.LocalProtocolError:  # it was to be longer
            self._transport.abort()
            raise Over from None

    async def _drain(self) -> None:
        """Let the peer read. Raises `Over` for one that takes nothing for very long."""
        while not self._writable.is_set():
            unread_bytes = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._hall.limits.unread_s):
                    await self._writable.wait()
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= unread_bytes:
                    self._transport.abort()
                    raise Over from None

    def _write_whole(self, body: bytes) -> None:
        """Write a body and its end; to HEAD, the end alone."""
        if body and not self._is_head:
            self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())

    def _write(self, event: Any) -> None:
        data = self._h11.send(event)
        if data and not self._transport.is_closing():
            self._transport.write(data)

    # Ends.

    def _end(self) -> None:
        self._forget()
        if not self._has_gone:
            Farewell.take_over(
                self._transport, self._hall, b"", peer_has_ended=self._peer_has_ended
            )

    def _forget(self) -> None:
        self._hall.connections.discard(self)
        self._hall.hangups.forget(self._fd)
