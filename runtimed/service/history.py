"""Handlers of the calls on the record: lists, search, running again, pins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from runtimed.api.errors import CannotRerun, InvalidParams, KernelNotFound
from runtimed.api.executions import ExecutionList, ExecutionSubmit
from runtimed.api.history import (
    ExecutionPin,
    ExecutionRerun,
    ExecutionSearch,
    ExecutionUnpin,
    Found,
    Snippet,
)
from runtimed.kernels.clock import now_ms
from runtimed.model import recall
from runtimed.model.times import rfc3339
from runtimed.recorder import Batch
from runtimed.service.binding import Caller, serves
from runtimed.service.executions import execution_submit
from runtimed.service.moments import milliseconds
from runtimed.service.references import before_execution, find_execution, find_recorded
from runtimed.service.views import execution_view
from runtimed.store import executions, runtimes
from runtimed.store.selection import Selection

if TYPE_CHECKING:
    from runtimed.api.types import Execution
    from runtimed.service.context import Context
    from runtimed.store.db import Connection
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

#: Of what matches, so many of the newest are ranked.
RANKED = 500
#: A text of one or two characters has no index: so many of the newest are looked at.
SHORT_TEXT = 5000
#: At this age (90 days) a match counts half.
_HALF_LIFE_MS = 90 * 86_400_000


def _selection(context: Context, call: ExecutionList | ExecutionSearch) -> Selection:
    """Return what a list is restricted to. Raises what `find_recorded` does, or `InvalidParams`."""
    cell = call.cell if isinstance(call, ExecutionList) else None
    return Selection(
        runtime_id=None if call.runtime is None else find_recorded(context, call.runtime).id,
        runtimes=None if call.runtimes is None else [each.upper() for each in call.runtimes],
        by=call.by,
        statuses=call.status,
        cell=None if cell is None else (cell.notebook, cell.id),
        foreign=call.foreign,
        pinned=isinstance(call, ExecutionList) and call.pinned,
        since_ms=None if call.since is None else milliseconds(call.since, "since"),
        until_ms=None if call.until is None else milliseconds(call.until, "until"),
        before=None if call.before is None else before_execution(context, call.before),
    )


@serves(ExecutionList)
async def execution_list(context: Context, call: ExecutionList) -> list[Execution]:
    selection = _selection(context, call)
    if call.grep is not None:
        rows = await _having(context, selection, call.grep, call.limit)
    elif selection.is_quick:
        rows = context.store.read(executions.selected, selection, call.limit)
    else:
        rows = await asyncio.to_thread(
            context.store.read_apart, executions.selected, selection, call.limit
        )
    return [execution_view(context, row) for row in rows]


async def _having(
    context: Context, selection: Selection, text: str, limit: int
) -> list[ExecutionRow]:
    """Return the newest whose code has the text in it."""
    await context.index.caught_up()

    def look(db: Connection) -> list[ExecutionRow]:
        is_short = recall.trigrams_expression(text) is None
        meant = selection.meant(db, most=SHORT_TEXT if is_short else None)
        return executions.numbered(db, context.index.search.having(text, meant, limit))

    return await asyncio.to_thread(context.store.read_apart, look)


@serves(ExecutionSearch)
async def execution_search(context: Context, call: ExecutionSearch) -> list[Found]:
    expression = recall.words_expression(call.query)
    if expression is None:
        raise InvalidParams(
            detail="there is no word in the query; `runt history --grep` finds signs - at `$.query`"
        )
    selection = _selection(context, call)
    await context.index.caught_up()
    ranked = await asyncio.to_thread(
        context.store.read_apart, lambda db: _ranked(context, selection, expression, db, call.limit)
    )
    return [
        Found(execution=execution_view(context, row), score=round(score, 4), snippets=snippets)
        for row, score, snippets in ranked
    ]


def _ranked(
    context: Context, selection: Selection, expression: str, db: Connection, limit: int
) -> list[tuple[ExecutionRow, float, list[Snippet]]]:
    """Return what matches, best first; in a thread."""
    search = context.index.search
    with db:  # one view of all that follows
        hits = search.matching(expression, selection.meant(db), RANKED)
        at_ms = executions.times(db, [number for number, _ in hits])
        now = now_ms()
        scores = {
            number: relevance * 0.5 ** (max(0, now - at_ms[number]) / _HALF_LIFE_MS)
            for number, relevance in hits
            if number in at_ms
        }
        best = sorted(scores, key=lambda number: (scores[number], number), reverse=True)[:limit]
        rows = dict(zip(sorted(best, reverse=True), executions.numbered(db, best), strict=True))
    snippets = search.snippets(expression, best)
    return [(rows[number], scores[number], _snippets(snippets.get(number, {}))) for number in best]


def _snippets(found: dict[str, str]) -> list[Snippet]:
    snippets = []
    for where, snippet in found.items():
        text, marks = recall.marked(snippet)
        snippets.append(Snippet(where=where, text=text, marks=marks))  # type: ignore[arg-type]
    return snippets


@serves(ExecutionRerun)
async def execution_rerun(context: Context, call: ExecutionRerun, caller: Caller) -> Execution:
    row = find_execution(context, call.execution)
    if row.origin is not None and not row.code:
        raise CannotRerun(execution=row.id, detail="its code was not recorded")
    submission = ExecutionSubmit(code=row.code, argv=row.argv, id=call.id)
    if call.runtime is not None:
        again = msgspec.structs.replace(submission, runtime=call.runtime)
    elif row.runtime_id in context.supervisor.actors and _lives(context, row.runtime_id):
        again = msgspec.structs.replace(submission, runtime=row.runtime_id)
    else:
        runtime = context.store.read(runtimes.get, row.runtime_id)
        assert runtime is not None  # noqa: S101 - a foreign key
        again = msgspec.structs.replace(
            submission,
            project=runtime.project or runtime.cwd,
            cwd=runtime.cwd,
            env=call.env,
            kernel_name=None if runtime.environment else runtime.kernel_name,
            environment=runtime.environment,
        )
        if runtime.origin == "adopted":
            return await _as_adopted(context, row.id, again, caller, runtime)
        async with context.starter.had_again(runtime, call.env, caller.requested_by):
            return await execution_submit(context, again, caller)
    return await execution_submit(context, again, caller)


async def _as_adopted(
    context: Context, id: str, again: ExecutionSubmit, caller: Caller, runtime: RuntimeRow
) -> Execution:
    """Submit to a kernel like one that others had started: what it is called, they have said."""
    try:
        return await execution_submit(context, again, caller)
    except KernelNotFound as error:
        if runtime.language != "python":
            detail = f"its kernel is gone, and no kernelspec is called {runtime.kernel_name}"
            detail += "; --in runs it in another runtime"
            raise CannotRerun(execution=id, detail=detail) from error
    again = msgspec.structs.replace(again, kernel_name=None)
    return await execution_submit(context, again, caller)


def _lives(context: Context, runtime_id: str) -> bool:
    return context.supervisor.rows[runtime_id].status != "dead"


@serves(ExecutionPin)
async def execution_pin(context: Context, call: ExecutionPin) -> Execution:
    return _pin(context, call.execution, now_ms())


@serves(ExecutionUnpin)
async def execution_unpin(context: Context, call: ExecutionUnpin) -> Execution:
    return _pin(context, call.execution, None)


def _pin(context: Context, reference: str, pinned_ms: int | None) -> Execution:
    """Pin or unpin; one that is so already stays as it is."""
    row = find_execution(context, reference)
    if (row.pinned_ms is None) != (pinned_ms is None):
        batch = Batch(now_ms())
        batch.write(lambda db: executions.pin(db, row.id, pinned_ms))
        batch.event("execution", row.runtime_id, row.id, {"pinned_at": rfc3339(pinned_ms)})
        context.supervisor.parts.recorder.commit(batch)
        row.pinned_ms = pinned_ms
    return execution_view(context, row)
