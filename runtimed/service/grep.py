"""Match lines with somebody else's regular expression: in a child process that can be ended.

Python's `re` may take for ever, and holds the interpreter's lock meanwhile: no thread can be
trusted with it.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import InvalidParams
from runtimed.model.text import without_ansi
from runtimed.service import matcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

#: How long the matching of one list of lines may take.
GREP_S = 3.0
#: An answer's longest line; it is as long as the indices of the lines asked for together.
_ANSWER_BYTES = 16 * 1024 * 1024


class Matcher:
    """A pattern that was found to be one."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child

    async def matches(self, lines: Sequence[str]) -> list[int]:
        """Return the indices of the lines whose text, ANSI sequences aside, matches.

        Raises `InvalidParams` where that takes too long.
        """

        def encoded() -> bytes:
            return msgspec.json.encode([without_ansi(line) for line in lines])

        found: list[int] = await self.ask(await asyncio.to_thread(encoded), f"{len(lines)} lines")
        return found

    async def ask(self, question: bytes, what: str) -> Any:
        """Return the child's answer. Raises `InvalidParams`."""
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None and stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(GREP_S):
                stdin.write(question + b"\n")
                await stdin.drain()
                return msgspec.json.decode(await stdout.readline())
        except TimeoutError:
            detail = f"it takes longer than {GREP_S:g} s on {what} - at `$.grep`"
            raise InvalidParams(detail=detail) from None


@asynccontextmanager
async def matching(pattern: str) -> AsyncIterator[Matcher]:
    """Match with a pattern. Raises `InvalidParams` for one that is none."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", matcher.__file__),
        stdin=PIPE,
        stdout=PIPE,
        limit=_ANSWER_BYTES,
    )
    try:
        found = Matcher(child)
        wrong = await found.ask(msgspec.json.encode(pattern), "the pattern itself")
        if wrong is not None:
            raise InvalidParams(detail=f"{wrong} - at `$.grep`")
        yield found
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
