"""The log on stderr, for whoever reads it there: a terminal, a pipe, a supervisor."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from runtimed.logs.entry import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.logs.entry import Entry

STDERR = 2
#: A pipe that is ready takes so much at once (pipe(7), PIPE_BUF), a socket too.
_PIECE_BYTES = 4096
#: A reader that is merely slow is waited for; one that has stopped, once.
WAIT_MS = 50


class Patience:
    """Waits a little until a descriptor takes more, and no more once that was in vain."""

    def __init__(self) -> None:
        self._is_stuck = False

    def is_ready(self, fd: int) -> bool:
        """Return whether a write would not block now."""
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        # Errors count as ready: it is the write that says which.
        is_ready = bool(poll.poll(0 if self._is_stuck else WAIT_MS))
        self._is_stuck = not is_ready
        return is_ready


class Stderr:
    """Writes to stderr, past any buffer, and waits for no reader that has stopped."""

    def __init__(self, render: Callable[[Entry], str]) -> None:
        """Write what ``render`` makes of an entry."""
        self._render = render
        self._patience = Patience()
        self._rest = b""

    def put(self, entry: Entry) -> bool:
        """Write an entry; return False, and nothing is written of it, if that would block."""
        if not self._write_rest():
            return False
        self._rest = encoded(self._render(entry))
        self._write_rest()
        return True

    def _write_rest(self) -> bool:
        while self._rest:
            try:
                if not self._patience.is_ready(STDERR):
                    return False
                written = os.write(STDERR, self._rest[:_PIECE_BYTES])
            except BlockingIOError:
                return False
            except OSError:
                self._rest = b""  # nobody is there any more
                return True
            self._rest = self._rest[written:]
        return True

    def tend(self) -> None:
        """Do nothing: its size is its reader's."""
