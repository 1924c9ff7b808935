"""Handlers of the calls on cells, but for those that run them.

Each change is one step on the loop: what was read is what is written over, and ids order nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runtimed.api.cells import CellDelete, CellEdit, CellGet, CellInsert, CellList, CellMove
from runtimed.api.errors import CellNotFound, InvalidParams
from runtimed.api.types import Nothing
from runtimed.kernels.clock import now_ms
from runtimed.model import nbschema
from runtimed.model.notebook import placed
from runtimed.recorder import Batch
from runtimed.service.binding import serves
from runtimed.service.notebook_references import check_etag, find_cell, find_notebook
from runtimed.service.notebook_views import cell_view, cells_view, index_of, whole_cell_view
from runtimed.service.notebooks import new_cell, refuse, save
from runtimed.store import cells, notebooks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.api.notebooks import CodeCell
    from runtimed.service.context import Context
    from runtimed.store.cells import CellRow
    from runtimed.store.notebooks import NotebookRow

_Order = list[tuple[str, float]]


@serves(CellList)
async def cell_list(context: Context, call: CellList) -> list[CodeCell]:
    row = find_notebook(context, call.notebook)
    return await cells_view(context, row.id, outputs=call.outputs)


@serves(CellGet)
async def cell_get(context: Context, call: CellGet) -> CodeCell:
    row, _ = find_cell(context, call.cell)
    if call.outputs:
        return await whole_cell_view(context, row)
    return cell_view(context, row)


@serves(CellInsert)
async def cell_insert(context: Context, call: CellInsert) -> CodeCell:
    notebook = find_notebook(context, call.notebook)
    check_etag(notebook, call.if_match)
    refuse(nbschema.cell_fault(call.kind, call.metadata))
    row = new_cell(notebook.id, call.kind, call.src, call.metadata, position=0)
    order = context.store.read(cells.order, notebook.id)
    index = _index(context, order, call.after, call.index)
    return _put(context, notebook, row, order, index)


@serves(CellMove)
async def cell_move(context: Context, call: CellMove) -> CodeCell:
    row, notebook = find_cell(context, call.cell)
    check_etag(notebook, call.if_match)
    order = context.store.read(cells.order, notebook.id)
    others = [(cell, at) for cell, at in order if cell != row.id]
    if call.after is not None and call.index is None:
        before, _ = find_cell(context, call.after)
        if before.id == row.id:  # it stays where it is
            return cell_view(context, row)
    index = _index(context, others, call.after, call.index)
    return _put(context, notebook, row, others, index)


def _index(context: Context, others: _Order, after: str | None, index: int | None) -> int:
    """Return the place that a caller means, among the other cells of the notebook."""
    if after is None:
        return len(others) if index is None else min(index, len(others))
    if index is not None:
        raise InvalidParams(detail="it may name a cell or a place, and not both - at `$.after`")
    before, _ = find_cell(context, after)
    ids = [cell for cell, _ in others]
    if before.id not in ids:
        raise CellNotFound(cell=after)
    return ids.index(before.id) + 1


def _put(
    context: Context, notebook: NotebookRow, row: CellRow, others: _Order, index: int
) -> CodeCell:
    """Store a cell at a place among the others, and announce it."""
    batch = Batch(now_ms())
    row.position, moved = placed(others, index)
    if moved:
        batch.write(partial(cells.place, positions=moved))
    batch.write(partial(cells.save, row=row))
    notebook.revision += 1
    announce(context, batch, [(row, index)])
    save(context, batch, notebook, cell_count=len(others) + 1)
    return cell_view(context, row, index)


@serves(CellEdit)
async def cell_edit(context: Context, call: CellEdit) -> CodeCell:
    row, notebook = find_cell(context, call.cell)
    check_etag(row, call.if_match)
    old = (row.src, row.kind, row.metadata, row.attachments)
    row.src = row.src if call.src is None else call.src
    row.kind = call.kind or row.kind
    row.metadata = row.metadata if call.metadata is None else call.metadata
    row.attachments = row.attachments if call.attachments is None else call.attachments
    if old == (row.src, row.kind, row.metadata, row.attachments):
        return cell_view(context, row)
    refuse(nbschema.cell_fault(row.kind, row.metadata, row.attachments))
    row.revision += 1
    batch = Batch(now_ms())
    notebook.changed_ms = batch.now_ms
    batch.write(partial(cells.save, row=row))
    batch.write(partial(notebooks.save, row=notebook))
    announce(context, batch, [(row, index_of(context, row))])
    context.supervisor.parts.recorder.commit(batch)
    return cell_view(context, row)


@serves(CellDelete)
async def cell_delete(context: Context, call: CellDelete) -> Nothing:
    row, notebook = find_cell(context, call.cell)
    check_etag(row, call.if_match)
    batch = Batch(now_ms())
    remove(batch, row)
    notebook.revision += 1
    count = context.store.read(cells.count, notebook.id)
    save(context, batch, notebook, cell_count=count - 1)
    return Nothing()


def remove(batch: Batch, row: CellRow) -> None:
    """Delete a cell, and announce that."""
    batch.write(partial(cells.delete, cell_id=row.id))
    batch.event("cell", None, None, {"id": row.id, "removed": True}, notebook=row.notebook_id)


def announce(context: Context, batch: Batch, rows: Sequence[tuple[CellRow, int]]) -> None:
    """Announce cells, each with its place, as they will be."""
    for row, index in rows:
        batch.event("cell", None, None, cell_view(context, row, index), notebook=row.notebook_id)
