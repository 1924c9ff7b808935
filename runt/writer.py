"""Writes to stdout and stderr that never keep a signal waiting.

What is written is queued in one order for both, and goes out in pieces that a pipe takes
without blocking (PIPE_BUF, pipe(7)), when poll says so.
"""

from __future__ import annotations

import errno
import os
from collections import deque

_PIECE_BYTES = 4096
_STDOUT = 1
_TERMINAL_GONE = (errno.EIO, errno.ENXIO)


class StdoutLost(Exception):
    """Our stdout takes no more: whoever read it is gone, or the disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror)
        self.error = error


class Writer:
    """The queue before our two output streams."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, memoryview]] = deque()
        self._at_line_start = {1: True, 2: True}
        self.pending_bytes = 0

    def put(self, fd: int, text: str) -> None:
        """Queue text. Lone surrogates, which no encoding has, become question marks."""
        if text:
            content = text.encode("utf-8", "replace")
            self._queue.append((fd, memoryview(content)))
            self.pending_bytes += len(content)
            self._at_line_start[fd] = text.endswith("\n")

    def put_line(self, fd: int, text: str) -> None:
        """Queue text that begins on a line of its own."""
        if text and not self._at_line_start[fd]:
            text = "\n" + text
        self.put(fd, text)

    @property
    def waiting_for(self) -> int | None:
        """The file descriptor that has to become writable next."""
        return self._queue[0][0] if self._queue else None

    def pump(self) -> None:
        """Write one piece. Raises `StdoutLost`, and `OSError` where stderr takes no more.

        A closed stderr and a terminal that is gone swallow what they get: SIGHUP tells of it.
        """
        fd, content = self._queue[0]
        try:
            written = os.write(fd, content[:_PIECE_BYTES])
        except BlockingIOError:
            return
        except OSError as error:
            if fd == _STDOUT and error.errno not in _TERMINAL_GONE:
                self.forget(fd)
                raise StdoutLost(error) from error
            if error.errno not in (*_TERMINAL_GONE, errno.EPIPE):
                raise
            written = len(content)
        self.pending_bytes -= written
        if written == len(content):
            self._queue.popleft()
        else:
            self._queue[0] = (fd, content[written:])

    def forget(self, fd: int) -> None:
        """Drop what is queued for a file descriptor that takes no more."""
        self._queue = deque(item for item in self._queue if item[0] != fd)
        self.pending_bytes = sum(len(content) for _, content in self._queue)

    def flush(self) -> None:
        """Write everything, however long it takes."""
        while self._queue:
            self.pump()
