"""Handlers of the calls on notebooks as documents; their files are ``notebook_files``' matter."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from ulid import ULID

from runtimed.api.errors import InvalidParams, NotSaved
from runtimed.api.notebooks import (
    Notebook,
    NotebookCreate,
    NotebookDelete,
    NotebookEdit,
    NotebookGet,
    NotebookList,
    NotebookRename,
)
from runtimed.api.types import Nothing
from runtimed.kernels.clock import now_ms
from runtimed.model import nbschema
from runtimed.model.ids import is_ulid
from runtimed.recorder import Batch
from runtimed.service.binding import serves
from runtimed.service.notebook_references import check_etag, find_notebook
from runtimed.service.notebook_views import notebook_view, whole_notebook_view
from runtimed.service.references import check_id, find_runtime
from runtimed.store import cells, events, notebooks
from runtimed.store.cells import CellRow
from runtimed.store.notebooks import NotebookRow

if TYPE_CHECKING:
    from runtimed.service.context import Context


@serves(NotebookCreate)
async def notebook_create(context: Context, call: NotebookCreate) -> Notebook:
    metadata = dict(call.metadata)
    if call.kernel_name is not None:
        spec = {"name": call.kernel_name, "display_name": call.kernel_name}
        metadata["kernelspec"] = spec
    refuse(nbschema.notebook_fault(metadata))
    for n, cell in enumerate(call.cells):
        refuse(nbschema.cell_fault(cell.kind, cell.metadata, place=f"$.cells[{n}]"))
    row = new_notebook(call.name, metadata)
    batch = Batch(row.created_ms)
    batch.write(partial(notebooks.save, row=row))  # its cells refer to it
    for position, cell in enumerate(call.cells):
        new = new_cell(row.id, cell.kind, cell.src, cell.metadata, position=position)
        batch.write(partial(cells.save, row=new))
    save(context, batch, row, cell_count=len(call.cells))
    return await whole_notebook_view(context, row)


@serves(NotebookList)
async def notebook_list(context: Context, call: NotebookList) -> list[Notebook]:
    before = call.before
    if before is not None:
        check_id(before, "before")
        # A whole id will do even if the notebook was closed meanwhile: ids order the list.
        before = before.upper() if is_ulid(before.upper()) else find_notebook(context, before).id
    rows = context.store.read(notebooks.listed, before=before, limit=call.limit)
    return [notebook_view(context, row) for row in rows]


@serves(NotebookGet)
async def notebook_get(context: Context, call: NotebookGet) -> Notebook:
    row = find_notebook(context, call.notebook)
    return await whole_notebook_view(context, row, outputs=call.outputs)


@serves(NotebookRename)
async def notebook_rename(context: Context, call: NotebookRename) -> Notebook:
    row = find_notebook(context, call.notebook)
    check_etag(row, call.if_match)
    if row.name == call.name:
        return notebook_view(context, row)
    row.name = call.name
    return _changed(context, row)


@serves(NotebookEdit)
async def notebook_edit(context: Context, call: NotebookEdit) -> Notebook:
    row = find_notebook(context, call.notebook)
    check_etag(row, call.if_match)
    old = (row.metadata, row.runtime_id)
    if call.metadata is not None:
        row.metadata = call.metadata
    if call.runtime is not None:
        row.runtime_id = find_runtime(context, call.runtime).id
    if old == (row.metadata, row.runtime_id):
        return notebook_view(context, row)
    refuse(nbschema.notebook_fault(row.metadata))
    return _changed(context, row)


@serves(NotebookDelete)
async def notebook_delete(context: Context, call: NotebookDelete) -> Nothing:
    row = find_notebook(context, call.notebook)
    check_etag(row, call.if_match)
    if call.if_saved and context.store.read(notebooks.has_changed, row):
        raise NotSaved(notebook=row.name)
    batch = Batch(now_ms())
    batch.write(partial(notebooks.delete, notebook_id=row.id))
    batch.write(partial(events.forget_notebook, notebook_id=row.id))
    batch.event("notebook", None, None, {"id": row.id, "removed": True}, notebook=row.id)
    context.supervisor.parts.recorder.commit(batch)
    await asyncio.to_thread(context.store.truncate_log)  # its words are in no file any more
    return Nothing()


def refuse(fault: str | None) -> None:
    """Raise `InvalidParams` if there is a fault in what nbformat is to have."""
    if fault is not None:
        raise InvalidParams(detail=fault)


def _changed(context: Context, row: NotebookRow) -> Notebook:
    batch = Batch(now_ms())
    row.revision += 1
    save(context, batch, row)
    return notebook_view(context, row)


def save(
    context: Context,
    batch: Batch,
    row: NotebookRow,
    *,
    cell_count: int | None = None,
    is_changed: bool = True,
) -> None:
    """Store a notebook that was changed, with what the batch has beside it, and announce it.

    ``cell_count`` is how many cells it will have, where that changes. Raises `StoreUnavailable`.
    """
    row.changed_ms = batch.now_ms
    batch.write(partial(notebooks.save, row=row))
    document = notebook_view(context, row, cell_count=cell_count, is_changed=is_changed)
    batch.event("notebook", None, None, document, notebook=row.id)
    context.supervisor.parts.recorder.commit(batch)


def new_notebook(name: str, metadata: dict[str, Any], path: str | None = None) -> NotebookRow:
    """Return the row of a new notebook."""
    created_ms = now_ms()
    return NotebookRow(
        id=str(ULID.from_timestamp(created_ms / 1000)),
        name=name,
        path=path,
        metadata=metadata,
        runtime_id=None,
        revision=1,
        created_ms=created_ms,
        changed_ms=created_ms,
        saved_ms=None,
        saved_seq=None,
        file_sha256=None,
    )


def new_cell(
    notebook_id: str, kind: str, src: str, metadata: dict[str, Any], *, position: float
) -> CellRow:
    """Return the row of a new cell; nbformat's id of it is the short form of ours."""
    cell_id = str(ULID())
    return CellRow(
        id=cell_id,
        notebook_id=notebook_id,
        position=position,
        kind=kind,
        src=src,
        nb_id=cell_id[-8:].lower(),
        metadata=metadata,
        attachments=None,
        revision=1,
    )
