"""Handler of ``execution.output``: an execution's text, in pages.

Hundreds of megabytes cost the memory of one page: the text is read piece by piece, never held.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimed.api.executions import ExecutionOutput
from runtimed.api.types import OutputPage
from runtimed.kernels.documents import gap_document, outputs_removed
from runtimed.model.line_index import LineIndex
from runtimed.model.text import lies_elsewhere, preferred
from runtimed.service.binding import serves
from runtimed.service.grep import matching
from runtimed.service.references import find_execution
from runtimed.store import events

if TYPE_CHECKING:
    from runtimed.service.context import Context
    from runtimed.store.db import Connection
    from runtimed.store.events import Numbered

#: A page ends after so many characters, whatever number of lines was asked for.
_PAGE_CHARS = 16 * 1024 * 1024
#: Lines and characters that are matched at a time.
_GREP_LINES, _GREP_CHARS = 20_000, 2 * 1024 * 1024
#: Bytes of blobs that are read for one page; what is over that is named.
_BLOB_BYTES = 16 * 1024 * 1024


class _Text:
    """The text of an execution, as far as it had come when its index was made.

    ``end`` is the number of lines that stay as they are, ``growing`` what there is of the next.
    """

    def __init__(self, context: Context, id: str, mime: str | None) -> None:
        self._context = context
        self._id = id
        self._mime = mime
        self._left = _BLOB_BYTES
        self.index = LineIndex()
        self.end = 0

    async def open(self, *, is_final: bool) -> None:
        """Read it once, in a thread: megabytes must not hold the loop."""

        def opened(db: Connection) -> LineIndex:
            return LineIndex.of(self._since(db, 0), self._mime, self._with_blob)

        self.index = await asyncio.to_thread(self._context.store.read_apart, opened)
        self.end = len(self.index) - (self.index.is_open and not is_final)

    async def growing(self, call: ExecutionOutput) -> list[str]:
        """Return what there is of the line that grows, or of its end; nothing where none does."""
        if call.cursor > self.end or self.end == len(self.index):
            return []
        if call.unfinished_chars is not None:
            return [self.index.open_end[-call.unfinished_chars :]]
        return await self.lines(self.end, 1)

    async def last_lines(self, first: int, most: int) -> list[str]:
        """Return the last lines that stay, from this one on at most; as many as a page takes."""

        def read(db: Connection) -> list[str]:
            since = partial(self._since, db)
            return self.index.read_last(first, self.end, most, _PAGE_CHARS, since)

        return await asyncio.to_thread(self._context.store.read_apart, read)

    async def lines(self, first: int, most: int, most_chars: int = _PAGE_CHARS) -> list[str]:
        """Return lines from this one on; none if their output has been removed meanwhile."""

        def read(db: Connection) -> list[str]:
            return self.index.read(first, most, most_chars, lambda seq: self._since(db, seq))

        if most <= 0 or first >= len(self.index):
            return []
        return await asyncio.to_thread(self._context.store.read_apart, read)

    def _with_blob(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return the output with its text where that lies in a blob, and there is room for it."""
        data = output.get("data") or {}
        name = preferred(data, self._mime) or ""
        value: Any = data.get(name)
        if not lies_elsewhere(value) or value["size_bytes"] > self._left:
            return output
        content = self._context.blobs.get(value["blob"])
        if content is None:
            return output
        self._left -= len(content)
        return {**output, "data": {**data, name: content.decode("utf-8", "replace")}}

    def _since(self, db: Connection, seq: int) -> Numbered:
        return events.numbered_operations(db, self._id, seq)


@serves(ExecutionOutput)
async def execution_output(context: Context, call: ExecutionOutput) -> OutputPage:
    row = find_execution(context, call.execution)
    # As it is before its output is read: it may end meanwhile, and what it printed last be missing.
    status = row.status
    text = _Text(context, row.id, call.mime)
    await text.open(is_final=row.progress.is_final)
    found = await (_page if call.grep is None else _matching_page)(text, call)
    more = found.cursor < text.end
    return OutputPage(
        execution=row.id,
        status=status,  # type: ignore[arg-type]
        lines=found.lines,
        unfinished=found.growing[0] if found.growing and not more else None,
        cursor=found.cursor,
        total_lines=len(text.index),
        more=more,
        earlier=found.earlier,
        gap=gap_document(row),
        outputs_removed=outputs_removed(row),
    )


class _Found(NamedTuple):
    """The lines wanted, what there is of a line that grows, and where it goes on."""

    lines: list[str]
    growing: list[str]
    cursor: int
    earlier: bool = False


async def _page(text: _Text, call: ExecutionOutput) -> _Found:
    first = min(call.cursor, text.end)
    growing = await text.growing(call)
    if call.tail is not None:
        wanted = min(call.tail, text.end - first)
        lines = await text.last_lines(text.end - wanted, call.lines)
        return _Found(lines, growing, text.end, len(lines) < wanted)
    lines = await text.lines(first, min(call.lines, text.end - first))
    return _Found(lines, growing, first + len(lines) if lines else text.end)


async def _matching_page(text: _Text, call: ExecutionOutput) -> _Found:
    """Return the same of the lines that match alone. Raises `InvalidParams`."""
    found: deque[tuple[int, str]] = deque()
    number, chars, matches = call.cursor, 0, 0
    most_found = None if call.tail is None else min(call.tail, call.lines)
    async with matching(call.grep or "") as matcher:
        while number < text.end:
            if call.tail is None and (len(found) > call.lines or chars > _PAGE_CHARS):
                break
            most = min(_GREP_LINES, text.end - number)
            lines = await text.lines(number, most, _GREP_CHARS)
            if not lines:
                number = text.end
                break
            for place in await matcher.matches(lines):
                found.append((number + place, lines[place]))
                chars += len(lines[place])
                matches += 1
                while most_found and len(found) > (1 if chars > _PAGE_CHARS else most_found):
                    chars -= len(found.popleft()[1])
            number += len(lines)
        growing = await text.growing(call)
        growing = growing if growing and await matcher.matches(growing) else []
    cursor = found[call.lines][0] if len(found) > call.lines else min(number, text.end)
    earlier = call.tail is not None and len(found) < min(call.tail, matches)
    return _Found([line for _, line in found][: call.lines], growing, cursor, earlier)
