"""Say one last thing to a peer, and let it finish its own sentence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtimed.server.hall import Hall


class Farewell(asyncio.Protocol):
    """Write the last words, end our half, and drop what the peer still sends until it ends.

    A socket that is closed with unread input resets the connection: a peer that is still sending
    would get EPIPE in the place of the words. What was said before is written as slowly as the
    peer reads; only then, or where it reads nothing at all, the time runs that it has to hang up.
    """

    def __init__(self, transport: asyncio.Transport, hall: Hall) -> None:
        self._transport = transport
        self._hall = hall
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def take_over(
        cls, transport: asyncio.Transport, hall: Hall, words: bytes, *, peer_has_ended: bool
    ) -> None:
        """Put a farewell in the place of the transport's protocol."""
        farewell = cls(transport, hall)
        transport.set_protocol(farewell)
        transport.write(words)
        if peer_has_ended or hall.is_stopping:
            transport.close()
        else:
            transport.write_eof()
            transport.resume_reading()
        farewell.linger()

    def linger(self) -> None:
        """Wait for the peer's end, which closes the transport; not for ever."""
        self._wait(self._transport.get_write_buffer_size())

    def _wait(self, unread_bytes: int) -> None:
        limits, loop = self._hall.limits, asyncio.get_running_loop()
        wait_s = limits.unread_s if unread_bytes else limits.linger_s
        self._timer = loop.call_later(wait_s, self._look, unread_bytes)

    def _look(self, unread_bytes: int) -> None:
        left_bytes = self._transport.get_write_buffer_size()
        if left_bytes < unread_bytes:
            self._wait(left_bytes)
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._hall.leave(self._transport)
