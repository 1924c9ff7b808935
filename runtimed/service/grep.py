"""Match lines with somebody else's regular expression: in a child process that can be ended.

Python's `re` may take for ever, and holds the interpreter's lock meanwhile: no thread can be
trusted with it.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

import msgspec

from runtimed.api.errors import InvalidParams
from runtimed.model.text import without_ansi
from runtimed.service import matcher

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long the matching of one page may take.
GREP_S = 3.0


async def matches(pattern: str, lines: Sequence[str]) -> list[int]:
    """Return the indices of the lines whose text, ANSI sequences aside, matches.

    Raises `InvalidParams` for a bad pattern.
    """

    def encoded() -> bytes:
        return msgspec.json.encode([pattern, [without_ansi(line) for line in lines]])

    request = await asyncio.to_thread(encoded)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", matcher.__file__), stdin=PIPE, stdout=PIPE
    )
    try:
        async with asyncio.timeout(GREP_S):
            answer, _ = await child.communicate(request)
    except TimeoutError:
        detail = f"it takes longer than {GREP_S:g} s on {len(lines)} lines - at `$.grep`"
        raise InvalidParams(detail=detail) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    found = msgspec.json.decode(answer, type=list[int] | str)
    if isinstance(found, str):
        raise InvalidParams(detail=f"{found} - at `$.grep`")
    return found
