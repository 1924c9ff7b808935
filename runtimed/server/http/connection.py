"""One client that speaks HTTP/1.1: requests in, responses out, one after the other (RFC 9112).

Bytes and messages are h11's business, time and order ours. One task a connection reads a head,
has it answered, writes the response, and reads on; what a pipelining client sends meanwhile waits.
"""

from __future__ import annotations

import asyncio
import email.utils
import http
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import h11

from runtimed.api.errors import RequestTooLarge, ShuttingDown
from runtimed.server.farewell import Farewell
from runtimed.server.http.exchange import Exchange
from runtimed.server.http.messages import HttpError, Over, Request, Response
from runtimed.server.http.problems import problem_of, problem_of_http
from runtimed.server.http.service import respond

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runtimed.server.door import Peer
    from runtimed.server.hall import Hall

log = logging.getLogger(__name__)

#: Bytes of a request's line and headers together.
MAX_HEAD_BYTES = 64 * 1024
#: What has been read and nobody wants yet; past it, no more is read.
_READ_AHEAD_BYTES = 64 * 1024


class HttpConnection(asyncio.Protocol):
    """Answer requests in their order. What becomes pointless when the peer goes is cancelled.

    A peer that ends its sending half still gets its answers.
    """

    def __init__(self, hall: Hall, peer: Peer) -> None:
        self._hall = hall
        self._peer = peer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._unwanted_bytes = 0
        self._received_bytes = 0
        self._body_bytes = 0
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
        connection._received_bytes = len(begin)
        connection._h11.receive_data(begin)
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
        self._h11.receive_data(data)
        self._unwanted_bytes += len(data)
        self._received_bytes += len(data)
        if self._unwanted_bytes > _READ_AHEAD_BYTES:
            self._transport.pause_reading()
        self._arrived.set()

    def eof_received(self) -> bool:
        self._peer_has_ended = True
        self._h11.receive_data(b"")
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
            self._write_head(response)
            self._write(h11.Data(data=cast("bytes", response.body)))
            self._write(h11.EndOfMessage())
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
                await self._send(response, request)
            finally:
                self._exchange.close()
                self._exchange = None
                self._hold(0)
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            if status == 431 and b"\n" not in self._h11.trailing_data[0]:
                status = 414
            await self._refuse(HttpError(status, f"this is no HTTP/1.1: {error}"))
        except HttpError as error:
            await self._refuse(error)
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            raise Over

    async def _head(self) -> Request:
        """Return the next request. Raises `Over`, or `HttpError` for one that takes too long."""
        loop, limits = asyncio.get_running_loop(), self._hall.limits
        begin_bytes = self._taken_bytes
        has_begun = begin_bytes < self._received_bytes
        wait_s = limits.http_head_s if has_begun else limits.http_idle_s
        try:
            async with asyncio.timeout(wait_s) as deadline:
                while (event := self._h11.next_event()) is h11.NEED_DATA:
                    if self._hall.is_stopping:
                        raise Over
                    await self._more()
                    if not has_begun:
                        has_begun = True
                        deadline.reschedule(loop.time() + limits.http_head_s)
        except TimeoutError:
            if has_begun:
                detail = f"the request's head took longer than {limits.http_head_s:g} s"
                raise HttpError(408, detail) from None
            raise Over from None
        if not isinstance(event, h11.Request):
            raise Over
        self._check_head(event, self._taken_bytes - begin_bytes)
        return Request(
            event.method.decode("ascii"),
            event.target.decode("ascii"),
            [(name.decode("ascii"), str(value, "latin-1")) for name, value in event.headers],
            event.http_version.decode("ascii"),
        )

    @property
    def _taken_bytes(self) -> int:
        """How much of what has come was taken for requests."""
        return self._received_bytes - len(self._h11.trailing_data[0])

    def _check_head(self, head: h11.Request, head_bytes: int) -> None:
        """Raise `HttpError` for what h11 lets pass: it limits heads that are not complete only."""
        if len(head.target) > MAX_HEAD_BYTES:
            raise HttpError(414, f"a head has at most {MAX_HEAD_BYTES} bytes, its target with it")
        if head_bytes > MAX_HEAD_BYTES:
            raise HttpError(431, f"a head has at most {MAX_HEAD_BYTES} bytes")
        names = {name for name, _ in head.headers}
        if {b"content-length", b"transfer-encoding"} <= names:
            raise HttpError(400, "Content-Length and Transfer-Encoding exclude each other")

    async def _more(self) -> None:
        """Wait until the peer has sent more, ended, or gone. Raises `Over` if it has gone."""
        if self._has_gone:
            raise Over
        self._arrived.clear()
        self._unwanted_bytes = 0
        self._transport.resume_reading()
        await self._arrived.wait()

    async def _body(self) -> bytes:
        """Return the request's body. Raises `HttpError`, `RequestTooLarge` or `Over`."""
        limits, pieces = self._hall.limits, bytearray()
        if self._h11.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Data):
                pieces += event.data
                self._hold(len(pieces))
                if len(pieces) > limits.line_bytes:
                    raise RequestTooLarge(detail=f"a body has at most {limits.line_bytes} bytes")
                if self._hall.unended_bytes > limits.unended_bytes:
                    detail = f"all that is on its way has at most {limits.unended_bytes} bytes"
                    raise RequestTooLarge(detail=detail)
            elif isinstance(event, h11.EndOfMessage):
                self._hold(0)
                return bytes(pieces)
            else:
                await self._more_of_body()

    async def _more_of_body(self) -> None:
        try:
            async with asyncio.timeout(self._hall.limits.http_head_s):
                await self._more()
        except TimeoutError:
            raise HttpError(408, "nothing came of the request's body for too long") from None

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
            await self._send(response, None)
        raise Over

    async def _send(self, response: Response, request: Request | None) -> None:
        if self._is_over:
            raise Over
        self._drop_body()
        # What has not come of a body is not waited for: the connection ends with the response.
        response.closes |= self._h11.their_state is h11.SEND_BODY or self._hall.is_stopping
        self._write_head(response)
        is_head = request is not None and request.verb == "HEAD"
        if isinstance(response.body, bytes):
            if response.body and not is_head:
                self._write(h11.Data(data=response.body))
            self._write(h11.EndOfMessage())
        elif is_head:
            await response.body.aclose()
            self._write(h11.EndOfMessage())
        else:
            await self._send_pieces(response.body, response.length_bytes)
        await self._writable.wait()

    def _drop_body(self) -> None:
        """Take what is there of a body that nobody wanted; mostly there is none."""
        while self._h11.their_state is h11.SEND_BODY:
            if self._h11.next_event() is h11.NEED_DATA:
                return

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
                    await self._writable.wait()

        await exchange.wait(write(), "stream")
        await body.aclose()
        if self._has_gone or self._is_over:
            raise Over
        try:
            self._write(h11.EndOfMessage())
        except h11.LocalProtocolError:  # it was to be longer
            self._transport.abort()
            raise Over from None

    def _write_head(self, response: Response) -> None:
        headers = [
            ("Date", email.utils.formatdate(usegmt=True)),
            ("Server", "runtimed"),
            ("X-Content-Type-Options", "nosniff"),
            *response.headers,
        ]
        if isinstance(response.body, bytes):
            if response.status != 204 and response.status != 304:
                headers.append(("Content-Length", str(len(response.body))))
        elif response.length_bytes is not None:
            headers.append(("Content-Length", str(response.length_bytes)))
        if response.closes:
            headers.append(("Connection", "close"))
        phrase = http.HTTPStatus(response.status).phrase
        self._write(
            h11.Response(
                status_code=response.status, headers=cast("Any", headers), reason=phrase.encode()
            )
        )

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
