"""Split a byte stream into lines, with bounded memory."""

from __future__ import annotations

#: Longest line that is accepted where nothing else is configured.
MAX_LINE_BYTES = 64 * 1024 * 1024


class LineSplitter:
    """Turn chunks into lines without their ends (LF or CRLF).

    A line over ``max_bytes`` sets `overflowed`: what came before it is still returned, it and
    all that follows is dropped, and nothing is buffered any more.
    """

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.overflowed = False
        self._buffer = bytearray()

    @property
    def buffered_bytes(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; return the lines that are complete with it, in order."""
        if self.overflowed:
            return []
        first, *rest = data.split(b"\n")
        if not rest:
            self._keep(first)
            return []
        if self._buffer:
            self._keep(first)
            first = bytes(self._buffer)
            self._buffer = bytearray()
        lines: list[bytes] = []
        for line in (first, *rest[:-1]):
            if self.overflowed or len(line) > self.max_bytes + line.endswith(b"\r"):
                self._overflow()
                return lines
            lines.append(line.removesuffix(b"\r"))
        self._keep(rest[-1])
        return lines

    def drop(self) -> None:
        """Go on as after a line that was too long: nothing is taken any more."""
        self._overflow()

    def finish(self) -> bytes:
        """Return what came after the last line end: the last line of a sender that ends without."""
        rest = bytes(self._buffer).removesuffix(b"\r")
        self._buffer = bytearray()
        return rest

    def _keep(self, data: bytes) -> None:
        # One more for a CR whose LF is still to come.
        if len(self._buffer) + len(data) > self.max_bytes + 1:
            self._overflow()
        else:
            self._buffer += data

    def _overflow(self) -> None:
        self.overflowed = True
        self._buffer = bytearray()
