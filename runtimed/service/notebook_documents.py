"""A notebook as nbformat has it, of what the store holds of it and of its cells' runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.kernels.documents import execution_document
from runtimed.model import ipynb
from runtimed.service.notebook_views import Shown
from runtimed.store import cells, runtimes

if TYPE_CHECKING:
    from runtimed.model.ipynb import LoadBlob
    from runtimed.service.context import Context
    from runtimed.store.cells import CellRow
    from runtimed.store.db import Connection
    from runtimed.store.notebooks import NotebookRow


async def notebook_file(context: Context, row: NotebookRow) -> dict[str, Any]:
    """Return what the notebook's file would have now (nbformat 4.5)."""

    def read(db: Connection) -> dict[str, Any]:
        with db:  # one view of all that follows
            found = [_cell(db, cell, context.blobs.get) for cell in cells.of_notebook(db, row.id)]
            metadata = _metadata(db, row)
        return ipynb.notebook(found, metadata)

    return await asyncio.to_thread(context.store.read_apart, read)


def _metadata(db: Connection, row: NotebookRow) -> dict[str, Any]:
    """Return its metadata; where they name no kernel, they name the one that its cells ran in."""
    runtime = None if row.runtime_id is None else runtimes.get(db, row.runtime_id)
    if runtime is None or "kernelspec" in row.metadata:
        return row.metadata
    return ipynb.kernel_metadata(runtime.kernel_name, runtime.language) | row.metadata


def _cell(db: Connection, row: CellRow, load: LoadBlob) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": row.kind,
        "id": row.nb_id,
        "metadata": row.metadata,
        "source": row.src,
    }
    if row.attachments is not None and row.kind != "code":
        cell["attachments"] = row.attachments
    if row.kind == "code":
        _add_outputs(db, row, cell, load)
    return cell


def _add_outputs(db: Connection, row: CellRow, cell: dict[str, Any], load: LoadBlob) -> None:
    shown = Shown(db, row)
    cell["execution_count"] = shown.execution_count
    if shown.begun is None:
        outputs = shown.file_outputs()  # as they were read
        for output in outputs:
            if "data" in output:
                output["data"] = ipynb.bundle(output["data"], load)
        cell["outputs"] = outputs
        return
    cell["outputs"] = ipynb.to_nbformat(shown.outputs(), load)
    runtime = runtimes.get(db, shown.begun.runtime_id)
    assert runtime is not None  # noqa: S101 - a foreign key
    began = msgspec.to_builtins(execution_document(shown.begun, runtime))
    # What an earlier run had to say does not hold of this one.
    metadata = {name: value for name, value in row.metadata.items() if name != ipynb.REMARKS}
    cell["metadata"] = metadata | {ipynb.TIMINGS: ipynb.timings(began)}
    if said := ipynb.remarks(began):
        cell["metadata"][ipynb.REMARKS] = said
