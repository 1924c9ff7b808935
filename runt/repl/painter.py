"""Writes to the terminal in pieces, above the prompt where one is shown.

Between two pieces the loop gets its turn: signals, keys and the daemon wait for no output.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
from collections import deque
from typing import TYPE_CHECKING, Protocol

from runt.repl.prompting import gone
from runt.repl.tail import Tail

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

#: So much goes out between two looks at everything else.
_PIECE_CHARS = 16 * 1024
#: With more than this waiting, whoever writes waits.
_ENOUGH_CHARS = 256 * 1024
_STDOUT = 1


class Prompts(Protocol):
    """What shows prompts, as the painter sees it."""

    @property
    def is_shown(self) -> bool: ...

    def above(self) -> AbstractAsyncContextManager[None]:
        """Hide the prompt meanwhile."""


class Painter:
    """The queue before the terminal. Its task is `run`."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts
        self._pending: deque[str] = deque()
        self._chars = 0
        self._wanted = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._room = asyncio.Event()
        self._room.set()
        self._held = ""
        self.tail = Tail(*shutil.get_terminal_size())

    # What is put here counts as written at once: it is, before anything else.

    def put(self, text: str) -> None:
        """Queue text."""
        if not text:
            return
        self.tail.resize(*shutil.get_terminal_size())
        self.tail.wrote(text)
        self._queue(text)

    def put_line(self, text: str) -> None:
        """Queue text that begins on a line of its own."""
        if not self.tail.is_at_line_start:
            self.put("\n")
        self.put(text)

    def rewrite(self, mark: int | None) -> bool:
        """Take back what was written since the mark; False where it is too late for that."""
        self.tail.resize(*shutil.get_terminal_size())
        back = self.tail.back_to(mark)
        if back is None:
            return False
        self._queue(back)
        return True

    def take_line(self, most_chars: int) -> str:
        """Take back the line that has not ended, and return it: a question goes on with it.

        A longer one stays, and the question begins a line.
        """
        line = self.tail.line
        if len(line) > most_chars:
            self.settle()
            return ""
        if line:
            self._queue("\r\x1b[K")
            self.tail.settle()
        return line

    def settle(self) -> None:
        """Let what was written stand; the next text begins a line."""
        if not self.tail.is_at_line_start:
            self.put("\n")
        self.tail.settle()

    def drop(self) -> int:
        """Forget what is queued, and return how many characters it was."""
        dropped, self._chars = self._chars, 0
        self._pending.clear()
        if dropped:
            self.tail.settle()
            self._queue("\n")
            self._room.set()
        return dropped

    @property
    def is_behind(self) -> bool:
        """Whether more is queued than is written between two keys."""
        return self._chars > _PIECE_CHARS

    async def room(self) -> None:
        """Wait until there is not much left to write."""
        await self._room.wait()

    async def drained(self) -> None:
        """Wait until all is written."""
        await self._drained.wait()

    def _queue(self, text: str) -> None:
        self._pending.append(text)
        self._chars += len(text)
        self._wanted.set()
        self._drained.clear()
        if self._chars > _ENOUGH_CHARS:
            self._room.clear()

    async def run(self) -> None:
        """Write what is queued, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._pending:
                await self._paint()
            self._room.set()
            self._drained.set()

    async def _paint(self) -> None:
        if not self._prompts.is_shown:
            _write(self._held + self._take(_PIECE_CHARS))
            self._held = ""
            await asyncio.sleep(0)
            return
        # A line that goes on would be where the prompt is: it waits for its end.
        text = self._held + self._take(_ENOUGH_CHARS)
        whole, newline, self._held = text.rpartition("\n")
        if newline:
            async with self._prompts.above():
                _write(whole + newline)
        await asyncio.sleep(0)

    def _take(self, chars: int) -> str:
        """Return the beginning of what is queued."""
        taken, length = [], 0
        while self._pending and length < chars:
            text = self._pending.popleft()
            if len(text) > chars - length:
                self._pending.appendleft(text[chars - length :])
                text = text[: chars - length]
            taken.append(text)
            length += len(text)
        self._chars -= length
        if self._chars <= _ENOUGH_CHARS:
            self._room.set()
        return "".join(taken)


def _write(text: str) -> None:
    """Write to the terminal; one that is gone takes everything: SIGHUP tells of it."""
    left = memoryview(text.encode("utf-8", "replace"))
    while left:
        try:
            left = left[os.write(_STDOUT, left) :]
        except BlockingIOError:
            select.select([], [_STDOUT], [])
        except OSError as error:
            if not gone(error):
                raise
            return
