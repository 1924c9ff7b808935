"""Handlers of the calls that run cells, and which runtime they run in."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import msgspec
from ulid import ULID

from runtimed.api.cells import CellRun
from runtimed.api.errors import (
    CellNotFound,
    ExecutionConflict,
    ExecutionNotFound,
    InvalidParams,
    NameTaken,
    NotebookNotFound,
)
from runtimed.api.notebooks import NotebookRestartAndRunAll, NotebookRun, NotebookRunAll
from runtimed.api.runtimes import RuntimeRestart, RuntimeStop
from runtimed.kernels import naming
from runtimed.kernels.clock import now_ms
from runtimed.kernels.documents import runtime_ref
from runtimed.model.ids import is_ulid
from runtimed.recorder import Batch
from runtimed.service.agents import terms_of
from runtimed.service.binding import Caller, serves
from runtimed.service.notebook_references import check_etag, find_cell, find_notebook
from runtimed.service.notebooks import save
from runtimed.service.references import find_execution, find_runtime
from runtimed.service.runtimes import living, runtime_restart, runtime_stop
from runtimed.service.views import execution_view
from runtimed.service.wishes import wish_of
from runtimed.store import cells, executions, notebooks
from runtimed.store.executions import ExecutionRow

if TYPE_CHECKING:
    from runtimed.api.notebooks import RunParameters
    from runtimed.api.types import Execution
    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context
    from runtimed.store.cells import CellRow
    from runtimed.store.notebooks import NotebookRow


@serves(CellRun)
async def cell_run(context: Context, call: CellRun, caller: Caller) -> Execution:
    row, notebook = find_cell(context, call.cell)
    if (known := _known(context, call, row)) is not None:
        return execution_view(context, known)
    check_etag(row, call.if_match)
    if row.kind != "code":
        raise InvalidParams(detail=f"a {row.kind} cell cannot be run - at `$.cell`")
    actor = await _runtime_of(context, notebook, call, caller)
    row, _ = find_cell(context, row.id)  # a start takes its time
    if (known := _known(context, call, row)) is not None:
        return execution_view(context, known)
    check_etag(row, call.if_match)
    execution = _execution(actor, row, caller, execution_id=call.id)
    actor.queue.submit(execution)
    return execution_view(context, execution)


def _known(context: Context, call: CellRun, cell: CellRow) -> ExecutionRow | None:
    """Return the execution of the caller's id. Raises `ExecutionConflict` if it is another."""
    if call.id is None:
        return None
    if not is_ulid(call.id.upper()):
        raise InvalidParams(detail=f"id must be a ULID, not {call.id!r} - at `$.id`")
    try:
        row = find_execution(context, call.id)
    except ExecutionNotFound:
        return None
    if (row.cell_notebook, row.cell_id) != (cell.notebook_id, cell.id):
        raise ExecutionConflict(execution=row.id, difference="cell")
    return row


@serves(NotebookRunAll)
async def notebook_run_all(context: Context, call: NotebookRunAll, caller: Caller) -> NotebookRun:
    notebook = find_notebook(context, call.notebook)
    group = call.group or str(ULID())
    if known := _run_before(context, notebook, group):
        return known
    if not _to_run(context, notebook, call.cells):
        return NotebookRun(notebook=notebook.id, runtime=None, group=group, executions=[])
    actor = await _runtime_of(context, notebook, call, caller)
    if known := _run_before(context, notebook, group):  # asked for twice at the same time
        return known
    return _run(context, notebook, actor, caller, group=group, call=call)


@serves(NotebookRestartAndRunAll)
async def notebook_restart_and_run_all(
    context: Context, call: NotebookRestartAndRunAll, caller: Caller
) -> NotebookRun:
    notebook = find_notebook(context, call.notebook)
    actor = await _runtime_of(context, notebook, call, caller, fresh=True)
    everything = NotebookRunAll(notebook=notebook.id, stop_on_error=call.stop_on_error)
    return _run(context, notebook, actor, caller, group=str(ULID()), call=everything)


def _run(
    context: Context,
    notebook: NotebookRow,
    actor: Actor,
    caller: Caller,
    *,
    group: str,
    call: NotebookRunAll,
) -> NotebookRun:
    """Queue the cells as they are now, in one transaction.

    Raises `NotebookNotFound` if it was closed while its kernel started.
    """
    notebook = find_notebook(context, notebook.id)
    rows = [
        _execution(
            actor,
            cell,
            caller,
            group=group,
            stop_on_error=call.stop_on_error and not _may_fail(cell),
        )
        for cell in _to_run(context, notebook, call.cells)
    ]
    if rows:
        actor.queue.submit(*rows)
    return NotebookRun(
        notebook=notebook.id,
        runtime=runtime_ref(actor.row),
        group=group,
        executions=[execution_view(context, row) for row in rows],
    )


def _run_before(context: Context, notebook: NotebookRow, group: str) -> NotebookRun | None:
    rows = context.store.read(executions.of_group, notebook.id, group)
    if not rows:
        return None
    documents = [execution_view(context, row) for row in rows]
    runtime = documents[0].runtime
    return NotebookRun(notebook=notebook.id, runtime=runtime, group=group, executions=documents)


def _to_run(context: Context, notebook: NotebookRow, wanted: list[str] | None) -> list[CellRow]:
    """Return the code cells that have something to run. Raises `CellNotFound`."""
    rows = context.store.read(cells.of_notebook, notebook.id)
    if wanted is not None:
        ids = {find_cell(context, cell)[0].id: cell for cell in wanted}
        if strange := ids.keys() - {row.id for row in rows}:
            raise CellNotFound(cell=ids[strange.pop()])
        rows = [row for row in rows if row.id in ids]
    return [row for row in rows if row.kind == "code" and row.src.strip()]


def _may_fail(cell: CellRow) -> bool:
    """Say whether a cell has the tag by which nbclient, too, knows that an error is its purpose."""
    tags = cell.metadata.get("tags")
    return isinstance(tags, list) and "raises-exception" in tags


def _execution(
    actor: Actor,
    cell: CellRow,
    caller: Caller,
    *,
    execution_id: str | None = None,
    group: str | None = None,
    stop_on_error: bool = True,
) -> ExecutionRow:
    queued_ms = now_ms()
    return ExecutionRow(
        id=execution_id.upper() if execution_id else str(ULID.from_timestamp(queued_ms / 1000)),
        runtime_id=actor.row.id,
        code=cell.src,
        queued_ms=queued_ms,
        requested_by=caller.requested_by,
        cell_notebook=cell.notebook_id,
        cell_id=cell.id,
        group=group,
        stop_on_error=stop_on_error,
    )


# Which runtime


async def _runtime_of(
    context: Context,
    notebook: NotebookRow,
    call: RunParameters[Any],
    caller: Caller,
    *,
    fresh: bool = False,
) -> Actor:
    """Return the runtime that the call names, or the notebook's own, started if need be.

    With ``fresh`` its kernel has just been started.
    """
    if call.runtime is not None:
        actor = living(context, find_runtime(context, call.runtime))
        _give(context, notebook.id, actor.row.id)
        if not fresh:
            return actor
    supervisor = context.supervisor
    start = context.notebook_starts.get(notebook.id)
    while fresh and start is not None:  # what was asked for before may run there by now
        await asyncio.wait([start])
        start = context.notebook_starts.get(notebook.id)
    if start is None:
        if not fresh and (own := _own(context, notebook.id)) is not None:
            return own
        # From here to the entry nobody else gets a turn: that makes it one start.
        work = _start(context, notebook.id, call, caller)
        start = supervisor.in_background(work, name=f"runtime of notebook {notebook.id}")
        context.notebook_starts[notebook.id] = start
        start.add_done_callback(lambda _: context.notebook_starts.pop(notebook.id, None))
    return await asyncio.shield(start)


def _own(context: Context, notebook_id: str) -> Actor | None:
    """Return the notebook's runtime, if it lives."""
    runtime_id = find_notebook(context, notebook_id).runtime_id or ""
    row = context.supervisor.rows.get(runtime_id)
    return None if row is None or row.status == "dead" else context.supervisor.actors[row.id]


async def _start(
    context: Context, notebook_id: str, call: RunParameters[Any], caller: Caller
) -> Actor:
    """Start the notebook's kernel: again where it has one, else a new one for it."""
    notebook = find_notebook(context, notebook_id)
    row = context.supervisor.rows.get(notebook.runtime_id or "")
    if row is not None and (row.origin == "launched" or row.status != "dead"):
        # One that others started is left to them, once it is dead.
        await runtime_restart(context, RuntimeRestart(runtime=row.id, env=call.env))
        return living(context, row)
    actor = await _start_new(context, notebook, call, caller)
    try:
        _give(context, notebook_id, actor.row.id)
    except NotebookNotFound:  # it was closed meanwhile; nobody would stop its kernel
        await runtime_stop(context, RuntimeStop(runtime=actor.row.id))
        raise
    return actor


async def _start_new(
    context: Context, notebook: NotebookRow, call: RunParameters[Any], caller: Caller
) -> Actor:
    spec = notebook.metadata.get("kernelspec")
    named = spec.get("name") if isinstance(spec, dict) else None
    directory = os.path.dirname(notebook.path) if notebook.path else None
    if call.kernel_name is None and call.environment is None and isinstance(named, str) and named:
        call = msgspec.structs.replace(call, kernel_name=named)
    wish = wish_of(msgspec.structs.replace(call, cwd=call.cwd or directory))
    idle_stop_s = context.supervisor.parts.config.implicit_idle_stop_s
    terms = terms_of(context, caller, idle_stop_s=idle_stop_s)
    name = naming.free_name(context.supervisor.rows.values(), notebook.name)
    try:
        return await context.starter.start(wish, name=name, terms=terms)
    except NameTaken:  # meanwhile
        return await context.starter.start(wish, terms=terms)


def _give(context: Context, notebook_id: str, runtime_id: str) -> None:
    """Note where the notebook's cells run from now on."""
    notebook = find_notebook(context, notebook_id)
    if notebook.runtime_id != runtime_id:
        is_changed = context.store.read(notebooks.has_changed, notebook)
        notebook.runtime_id = runtime_id
        notebook.revision += 1
        if not is_changed:  # its file has no word of it; the next event is this one
            notebook.saved_seq = context.hub.seq + 1
        save(context, Batch(now_ms()), notebook, is_changed=is_changed)
