"""What a peer has sent, and the events that h11 makes of it.

h11 gets it in small pieces: what it holds and has not used can only be asked for as a copy.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import h11

#: Bytes of a request's line and headers together.
MAX_HEAD_BYTES = 64 * 1024
_PIECE_BYTES = 16 * 1024
_LINE_ENDS = b"\r\n"


class Incoming:
    """Owned by one connection, which sends through the same ``h11``."""

    def __init__(self) -> None:
        self.h11 = _new()
        self.waiting_bytes = 0
        """What has come and was not looked at."""
        self._waiting: deque[bytes] = deque()
        self._fed_bytes = 0

    @property
    def taken_bytes(self) -> int:
        """How much of what has come was taken for requests."""
        return self._fed_bytes - len(self._unused)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come of what is next."""
        return not (self.waiting_bytes or self._unused)

    @property
    def has_line(self) -> bool:
        """Whether what is next has a line that is whole."""
        return b"\n" in self._unused

    @property
    def _unused(self) -> bytes:
        return self.h11.trailing_data[0]

    def put(self, data: bytes) -> None:
        """Take what has come; nothing is the end."""
        self.waiting_bytes += len(data)
        pieces = range(0, len(data) or 1, _PIECE_BYTES)
        self._waiting.extend(data[begin : begin + _PIECE_BYTES] for begin in pieces)

    def next_event(self) -> Any:
        """Return h11's next event, `h11.NEED_DATA` once all was looked at.

        Raises `h11.RemoteProtocolError`.
        """
        while (event := self.h11.next_event()) is h11.NEED_DATA and self._waiting:
            self._feed()
        return event

    def skip_empty_lines(self) -> None:
        """Drop empty lines in front of a request (RFC 9112 §2.2), of which h11 takes none."""
        while self._waiting and not self._unused:
            if self._waiting[0] == b"":  # the end
                return
            self._feed()
            self._skip()
        self._skip()

    def _skip(self) -> None:
        unused = self._unused
        if unused[:1] and unused[0] in _LINE_ENDS:
            rest = unused.lstrip(_LINE_ENDS)
            self._fed_bytes -= len(unused) - len(rest)
            # Between two requests it has no other state than this.
            self.h11 = _new()
            if rest:
                self.h11.receive_data(rest)

    def _feed(self) -> None:
        piece = self._waiting.popleft()
        self.waiting_bytes -= len(piece)
        self._fed_bytes += len(piece)
        self.h11.receive_data(piece)


def _new() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
