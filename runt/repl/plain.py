"""The prompt on a terminal that draws nothing (TERM=dumb), or into a pipe: line by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from typing import TYPE_CHECKING

from runt.repl import words
from runt.repl.prompting import gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from runt.repl.kernel import Kernel

_STDIN, _STDOUT = 0, 1


class PlainPrompt:
    """Asks with the terminal's own line editing. See `runt.repl.prompting.Asks`."""

    def __init__(
        self, kernel: Kernel, count: Callable[[], int], hung_up: Callable[[], None]
    ) -> None:
        """``hung_up`` is called where the terminal has gone, and no signal may tell of it."""
        self._kernel, self._count, self._hung_up = kernel, count, hung_up
        self._buffer = b""
        self._asking: asyncio.Future[str] | None = None
        self._message: Callable[[], str] = str

    @property
    def is_shown(self) -> bool:
        return self._asking is not None

    async def code(self) -> str:
        code = await self._line(self._first)
        while code.strip():
            is_whole, _ = self._kernel.is_whole(code)
            if is_whole:
                break
            code += "\n" + await self._line(lambda: words.continuation(len(self._first())))
        return code

    def take_interrupt(self) -> bool:
        return False  # it is a signal all the time

    def _first(self) -> str:
        return words.in_prompt(self._count())

    async def line(self, message: str, *, secret: bool = False) -> str:
        return await self._line(lambda: message, secret=secret)

    async def _line(self, message: Callable[[], str], *, secret: bool = False) -> str:
        loop = asyncio.get_running_loop()
        self._message = message
        asking: asyncio.Future[str] = loop.create_future()
        self._asking = asking
        _write(message())
        with _unseen() if secret else contextlib.nullcontext():
            loop.add_reader(_STDIN, self._read)
            self._answer()
            try:
                return await asking
            finally:
                loop.remove_reader(_STDIN)
                self._asking = None

    def _read(self) -> None:
        try:
            chunk = os.read(_STDIN, 65536)
        except OSError as error:
            if not gone(error):
                raise
            chunk = b""
        if not chunk and not os.isatty(_STDIN):
            asyncio.get_running_loop().remove_reader(_STDIN)
            self._hung_up()
            return
        self._buffer += chunk
        if not chunk or (not self._buffer.endswith(b"\n") and os.isatty(_STDIN)):
            self._buffer = b""
            _write("\n")
            self._settle(EOFError())
        self._answer()

    def _answer(self) -> None:
        line, newline, rest = self._buffer.partition(b"\n")
        if newline and self._asking is not None and not self._asking.done():
            self._buffer = rest
            self._asking.set_result(line.decode("utf-8", "replace").removesuffix("\r"))

    def _settle(self, error: BaseException) -> None:
        if self._asking is not None and not self._asking.done():
            self._asking.set_exception(error)

    def dismiss(self, error: BaseException) -> None:
        self._buffer = b""
        if self._asking is not None:
            _write("\n")
            with contextlib.suppress(termios.error):  # the terminal has gone
                termios.tcflush(_STDIN, termios.TCIFLUSH)
        self._settle(error)

    @contextlib.asynccontextmanager
    async def above(self) -> AsyncIterator[None]:
        _write("\n")
        yield
        if self._asking is not None and not self._asking.done():
            _write(self._message())


@contextlib.contextmanager
def _unseen() -> Iterator[None]:
    """Turn the terminal's echo off."""
    try:
        before = termios.tcgetattr(_STDIN)
    except termios.error:  # it has gone
        yield
        return
    silent = termios.tcgetattr(_STDIN)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(_STDIN, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)
        _write("\n")


def _write(text: str) -> None:
    """Write to the terminal; one that has gone takes everything: reading tells of it."""
    left = memoryview(text.encode("utf-8", "replace"))
    try:
        while left:
            left = left[os.write(_STDOUT, left) :]
    except OSError as error:
        if not gone(error):
            raise
