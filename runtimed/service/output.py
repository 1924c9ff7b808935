"""Handler of ``execution.output``: an execution's text, in pages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runtimed.api.executions import ExecutionOutput
from runtimed.api.types import OutputPage
from runtimed.kernels.documents import gap_document, outputs_removed
from runtimed.model.outputs import fold
from runtimed.model.text import ends_unfinished, output_lines
from runtimed.service.binding import serves
from runtimed.service.grep import matches
from runtimed.service.references import find_execution
from runtimed.store import events

if TYPE_CHECKING:
    from runtimed.service.context import Context
    from runtimed.store.db import Connection


@serves(ExecutionOutput)
async def execution_output(context: Context, call: ExecutionOutput) -> OutputPage:
    row = find_execution(context, call.execution)
    # As it is before its output is read: it may end meanwhile, and what it printed last be missing.
    status, is_final = row.status, row.progress.is_final

    def text(db: Connection) -> tuple[list[str], bool]:
        outputs = fold(events.operations(db, row.id))
        return output_lines(outputs, call.mime), ends_unfinished(outputs)

    # In a thread: megabytes must not hold the loop.
    lines, is_unfinished = await asyncio.to_thread(context.store.read_apart, text)
    is_unfinished = is_unfinished and not is_final
    numbers: Any = range(call.cursor, len(lines))
    if call.grep is not None:
        found = await matches(call.grep, lines[call.cursor :])
        numbers = [call.cursor + index for index in found]
    last = len(lines) - 1
    unfinished = lines[last] if is_unfinished and last in numbers else None
    end = last if is_unfinished else len(lines)
    numbers = [number for number in numbers if number < end]
    if call.tail is not None:
        numbers = numbers[-call.tail :]
    wanted, rest = numbers[: call.lines], numbers[call.lines :]
    return OutputPage(
        execution=row.id,
        status=status,  # type: ignore[arg-type]
        lines=[lines[number] for number in wanted],
        unfinished=None if rest else unfinished,
        cursor=rest[0] if rest else end,
        total_lines=len(lines),
        more=bool(rest),
        gap=gap_document(row),
        outputs_removed=outputs_removed(row),
    )
