"""One connection on TCP: uvicorn's, with what it leaves open in time, refusals and ends."""

from __future__ import annotations

import http
import socket
import sys
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from runtimed.gateway.answers import problem_of
from runtimed.gateway.app import ADMIT
from runtimed.gateway.guard import Refusal

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from runtimed.gateway.crowd import Crowd
    from runtimed.hangup import HangupWatch

#: Seconds in which a request's head, and what is dropped of a refused one's body, must have come.
_HEAD_S = 10.0
#: A peer that says nothing is asked whether it is there, after so many seconds and in such steps.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_TLS_HANDSHAKE = b"\x16"
_LINE_ENDS = b"\r\n"


class Protocol(H11Protocol):
    """A connection that does not wait for ever for the rest of what nobody answers yet.

    As at the daemon's socket, who ends its sending half gets its answers still. On TCP that looks
    as one who leaves does, until the system asks it whether it is there (SO_KEEPALIVE).
    """

    def __init__(
        self, config: Config, state: ServerState, crowd: Crowd, hangups: HangupWatch
    ) -> None:
        super().__init__(config, state, {ADMIT: lambda: crowd.admit(self)})
        self._crowd = crowd
        self._hangups = hangups
        self._deadline: asyncio.TimerHandle | None = None
        self._has_ended = False
        self._is_refused = False
        self.gone: asyncio.Future[None] = self.loop.create_future()
        """Done once the connection is lost."""

    def cut(self) -> None:
        self.transport.abort()

    # What the transport tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        self._fd: int = sock.fileno()
        # asyncio does so only where the listener's protocol is said to be TCP; without it, the end
        # of each answer waits 40 ms for the client to acknowledge the beginning.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._mind_the_time()
        self._crowd.enter(self)

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:  # what still comes of what was refused is dropped
            super().data_received(data)
            self._mind_the_time()

    def eof_received(self) -> bool:  # type: ignore[override]
        self._has_ended = True
        if self._is_refused or not self._is_asked:
            if not self._is_refused and self.conn.trailing_data[0]:
                self._refuse(400, "it ends in the middle of a request's head")
            return False
        if self.conn.their_state is h11.SEND_BODY:
            self._refuse(400, "it ends in the middle of a request's body")
            return False
        self._hangups.watch(self._fd, self.transport.abort)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._hangups.forget(self._fd)
        self._crowd.leave(self)
        self._stop_the_clock()
        if not self.gone.done():
            self.gone.set_result(None)

    # What uvicorn does.

    def handle_events(self) -> None:
        self._skip_empty_lines()
        super().handle_events()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # it begins with the next request, where that has come
        if self._has_ended and not self._is_asked:
            self.transport.close()

    def shutdown(self) -> None:
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP as anything else is refused."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        detail = f"this is no HTTP/1.1: {error or msg}"
        if self.conn.trailing_data[0].startswith(_TLS_HANDSHAKE):
            detail = "this looks like TLS; HTTP/1.1 is spoken here, and nothing is encrypted"
        self._refuse(status, detail)

    # Refusals.

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, where no answer has begun, and hang up once the peer has it."""
        self._is_refused = True
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._answer(*problem_of(Refusal(status, detail)))
        if self._is_asked:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.is_closing():
            # To close it here, with unread input, might take the answer away from the peer.
            self.transport.write_eof()
            self._stop_the_clock()
            self._deadline = self.loop.call_later(_HEAD_S, self.transport.abort)

    def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        headers = [*headers, (b"connection", b"close")]
        phrase = http.HTTPStatus(status).phrase.encode()
        events: list[Any] = [h11.Response(status_code=status, headers=headers, reason=phrase)]
        if not (self._is_asked and self.scope["method"] == "HEAD"):
            events.append(h11.Data(data=body))
        for event in (*events, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    @property
    def _is_asked(self) -> bool:
        """Whether there is a request whose answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _skip_empty_lines(self) -> None:
        """Drop empty lines in front of a request (RFC 9112 §2.2), of which h11 takes none."""
        if self.conn.states != {h11.SERVER: h11.IDLE, h11.CLIENT: h11.IDLE}:
            return
        unused = self.conn.trailing_data[0]
        if unused[:1] and unused[0] in _LINE_ENDS:
            most_bytes = self.config.h11_max_incomplete_event_size or 0
            self.conn = h11.Connection(h11.SERVER, most_bytes)
            if rest := unused.lstrip(_LINE_ENDS):
                self.conn.receive_data(rest)

    # Time.

    def _mind_the_time(self) -> None:
        if self._is_refused:
            return
        state = self.conn.their_state
        is_refused = state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if not (state is h11.IDLE or is_refused):
            self._stop_the_clock()
        elif self._deadline is None:  # a byte now and then does not put it off
            self._deadline = self.loop.call_later(_HEAD_S, self._took_too_long)

    def _took_too_long(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, f"the request's head took longer than {_HEAD_S:g} s")
        else:
            self.transport.abort()

    def _stop_the_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
