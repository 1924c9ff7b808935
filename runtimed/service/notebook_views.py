"""Documents of notebooks and cells, of what the store holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runtimed.api.notebooks import CodeCell, ExecutionRef, Notebook
from runtimed.kernels.documents import output_document, runtime_ref
from runtimed.model import ipynb
from runtimed.model.ids import short
from runtimed.model.outputs import fold
from runtimed.model.times import rfc3339
from runtimed.store import cells, events, executions, notebooks, runtimes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtimed.service.context import Context
    from runtimed.store.cells import CellRow
    from runtimed.store.db import Connection
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.notebooks import NotebookRow

#: So many cells are read on the loop; more of them, and all outputs, in a thread.
FEW_CELLS = 50
_NOTICE = "what is queued of it has the source that it had when it was queued"


class Shown:
    """What a cell shows of what ran: the latest execution that began, else what its file had.

    ``latest`` is the execution last submitted, begun or not.
    """

    def __init__(self, db: Connection, row: CellRow) -> None:
        self._db, self._row = db, row
        latest = cells.latest(db, row)
        self.latest = None if latest is None else executions.get(db, latest)
        self.execution_count, begun_after = cells.file_count(db, row.id)
        begun = None if latest is None else cells.latest(db, row, begun_after=begun_after)
        self.begun: ExecutionRow | None = None
        if begun is not None:
            self.begun = self.latest if begun == latest else executions.get(db, begun)
        if self.begun is not None:
            self.execution_count = self.begun.execution_count

    def outputs(self) -> list[dict[str, Any]]:
        """Return the outputs, folded."""
        if self.begun is not None:
            return fold(events.operations(self._db, self.begun.id))
        return ipynb.from_nbformat(self.file_outputs())

    def file_outputs(self) -> list[dict[str, Any]]:
        """Return what the cell's file had of outputs, as nbformat has them."""
        found = cells.file_output(self._db, self._row.id)
        return [] if found is None else found.outputs


def cell_document(
    db: Connection,
    row: CellRow,
    index: int,
    queued: Sequence[ExecutionRow],
    *,
    outputs: bool,
) -> CodeCell:
    """Return a cell's document; ``queued`` are its executions that are not final."""
    shown = Shown(db, row)
    documents = None
    if outputs:
        documents = [output_document(output) for output in shown.outputs()]
    is_older = any(execution.code != row.src for execution in queued)
    return CodeCell(
        id=row.id,
        notebook=row.notebook_id,
        index=index,
        kind=row.kind,  # type: ignore[arg-type]
        src=row.src,
        nb_id=row.nb_id,
        metadata=row.metadata,
        attachments=row.attachments,
        execution=None if shown.latest is None else _execution_ref(shown.latest),
        execution_count=shown.execution_count,
        queued=[execution.id for execution in queued],
        notice=_NOTICE if is_older else None,
        outputs=documents,
        etag=str(row.revision),
    )


def _execution_ref(row: ExecutionRow) -> ExecutionRef:
    return ExecutionRef(
        id=row.id,
        status=row.status,  # type: ignore[arg-type]
        execution_count=row.execution_count,
        queued_at=rfc3339(row.queued_ms) or "",
        execution_started=rfc3339(row.started_ms),
        execution_end=rfc3339(row.ended_ms),
    )


def queued_by_cell(context: Context, notebook_id: str) -> dict[str, list[ExecutionRow]]:
    """Return the executions of a notebook's cells that are not final, by cell."""
    found: dict[str, list[ExecutionRow]] = {}
    for actor in context.supervisor.actors.values():
        for row in actor.state.executions.values():
            if row.cell_notebook == notebook_id and row.cell_id is not None:
                found.setdefault(row.cell_id, []).append(row)
    return found


def index_of(context: Context, row: CellRow) -> int:
    """Return the place of a cell in its notebook."""
    return [cell for cell, _ in context.store.read(cells.order, row.notebook_id)].index(row.id)


def cell_view(context: Context, row: CellRow, index: int | None = None) -> CodeCell:
    """Return a cell's document without its outputs."""
    index = index_of(context, row) if index is None else index
    queued = queued_by_cell(context, row.notebook_id).get(row.id, [])
    return context.store.read(cell_document, row, index, queued, outputs=False)


async def whole_cell_view(context: Context, row: CellRow) -> CodeCell:
    """Return a cell's document with its outputs."""
    index, queued = index_of(context, row), queued_by_cell(context, row.notebook_id).get(row.id, [])
    return await asyncio.to_thread(
        context.store.read_apart, cell_document, row, index, queued, outputs=True
    )


async def cells_view(context: Context, notebook_id: str, *, outputs: bool) -> list[CodeCell]:
    """Return the documents of a notebook's cells, in its order."""
    queued = queued_by_cell(context, notebook_id)
    if outputs or context.store.read(cells.count, notebook_id) > FEW_CELLS:
        return await asyncio.to_thread(
            context.store.read_apart, _cell_documents, notebook_id, queued, outputs=outputs
        )
    return context.store.read(_cell_documents, notebook_id, queued, outputs=False)


def _cell_documents(
    db: Connection,
    notebook_id: str,
    queued: Mapping[str, Sequence[ExecutionRow]],
    *,
    outputs: bool,
) -> list[CodeCell]:
    with db:  # one view of all that follows
        found = [
            cell_document(db, row, index, queued.get(row.id, []), outputs=outputs)
            for index, row in enumerate(cells.of_notebook(db, notebook_id))
        ]
    return found


def notebook_view(
    context: Context,
    row: NotebookRow,
    documents: list[CodeCell] | None = None,
    *,
    cell_count: int | None = None,
    is_changed: bool | None = None,
) -> Notebook:
    """Return a notebook's document; what is not given is as it is stored now."""
    read = context.store.read
    runtime = None
    if row.runtime_id is not None:
        runtime = context.supervisor.rows.get(row.runtime_id) or read(runtimes.get, row.runtime_id)
    if cell_count is None:
        cell_count = read(cells.count, row.id) if documents is None else len(documents)
    return Notebook(
        id=row.id,
        short_id=short(row.id),
        name=row.name,
        path=row.path,
        metadata=row.metadata,
        runtime=None if runtime is None else runtime_ref(runtime),
        cell_count=cell_count,
        cells=documents,
        is_changed=read(notebooks.has_changed, row) if is_changed is None else is_changed,
        created_at=rfc3339(row.created_ms) or "",
        changed_at=rfc3339(row.changed_ms) or "",
        saved_at=rfc3339(row.saved_ms),
        etag=str(row.revision),
    )


async def whole_notebook_view(
    context: Context, row: NotebookRow, *, outputs: bool = False
) -> Notebook:
    """Return a notebook's document with its cells."""
    return notebook_view(context, row, await cells_view(context, row.id, outputs=outputs))
