"""Handlers of the calls that read and write notebooks as files or text."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimed.api.errors import FileChanged, FileUnusable, InvalidParams
from runtimed.api.notebooks import (
    Exported,
    Notebook,
    NotebookExport,
    NotebookImport,
    NotebookOpen,
    NotebookSave,
)
from runtimed.documents import files, formats
from runtimed.kernels.clock import now_ms
from runtimed.model.notebook import matched
from runtimed.recorder import Batch
from runtimed.service.binding import serves
from runtimed.service.cells import remove
from runtimed.service.export import as_file
from runtimed.service.notebook_documents import notebook_file
from runtimed.service.notebook_references import find_notebook
from runtimed.service.notebook_views import (
    cell_view,
    notebook_view,
    queued_by_cell,
    whole_notebook_view,
)
from runtimed.service.notebooks import new_cell, new_notebook, save
from runtimed.store import cells, notebooks
from runtimed.store.cells import FileOutput

if TYPE_CHECKING:
    from runtimed.documents.files import FileText
    from runtimed.service.context import Context
    from runtimed.store.cells import CellRow
    from runtimed.store.notebooks import NotebookRow

UNTITLED = "Untitled"


@serves(NotebookOpen)
async def notebook_open(context: Context, call: NotebookOpen) -> Notebook:
    path = await asyncio.to_thread(os.path.realpath, call.path)
    context.files_opened_as[call.path] = path
    async with _lock(context, path):
        file = await asyncio.to_thread(files.read, path)
        row = context.store.read(notebooks.at_path, path)
        if row is None or not _is_as_read(row, file) or call.force:
            content = await asyncio.to_thread(_parse, context, file.text, path)
            row = _take_in(context, path, file, content, force=call.force)
    return await whole_notebook_view(context, row)


@serves(NotebookImport)
async def notebook_import(context: Context, call: NotebookImport) -> Notebook:
    content = await asyncio.to_thread(_parse, context, call.text, f"{call.name}.{call.format}")
    row = new_notebook(call.name, content.metadata)
    _fill(context, row, content)
    return await whole_notebook_view(context, row)


class _Content(NamedTuple):
    """What was read: cells as nbformat has them, and the blobs that their outputs refer to."""

    metadata: dict[str, Any]
    cells: list[dict[str, Any]]
    blobs: list[tuple[str, int]]


def _parse(context: Context, text: str, path: str) -> _Content:
    """Read a file's text, and store its large values as blobs; for a thread."""
    parsed = formats.parse(text, path)
    content = _Content(parsed["metadata"], parsed["cells"], [])
    outputs = (output for cell in content.cells for output in cell.get("outputs", ()))
    for data in (output["data"] for output in outputs if "data" in output):
        for mime, value in data.items():
            if (reference := context.blobs.reference(mime, value)) is not None:
                data[mime] = reference
                content.blobs.append((reference["blob"], reference["size_bytes"]))
    return content


def _take_in(
    context: Context, path: str, file: FileText, content: _Content, *, force: bool
) -> NotebookRow:
    """Make what was read the notebook of that path. Raises `FileChanged`."""
    row = context.store.read(notebooks.at_path, path)
    if row is None:
        row = new_notebook(_stem(path), content.metadata, path)
    elif _is_as_read(row, file) and not force:
        return row  # somebody else has opened it meanwhile
    elif context.store.read(notebooks.has_changed, row) and not force:
        raise FileChanged(path=path, detail="and the notebook has changed here as well")
    row.metadata, row.file_sha256, row.writing_sha256 = content.metadata, file.sha256, None
    row.saved_ms = now_ms()
    _fill(context, row, content)
    return row


def _is_as_read(row: NotebookRow, file: FileText) -> bool:
    """Say whether a file is as it was last read or written here, up to the moment of a crash."""
    return file.sha256 in (row.file_sha256, row.writing_sha256)


def _fill(context: Context, row: NotebookRow, content: _Content) -> None:
    """Store a notebook with the cells that its file has.

    A cell that it had is the same one by nbformat's id, else by what it says.
    """
    read = content.cells
    is_new = context.store.read(notebooks.get, row.id) is None
    batch = Batch(now_ms())
    batch.blobs += content.blobs
    batch.write(partial(notebooks.save, row=row))  # its cells refer to it
    known = context.store.read(cells.of_notebook, row.id)
    same = matched(
        known,
        read,
        (lambda cell: cell.nb_id, lambda cell: cell["id"]),
        (lambda cell: (cell.kind, cell.src), lambda cell: (cell["cell_type"], cell["source"])),
    )
    kept = {cell.id for cell in same if cell is not None}
    for cell in known:
        if cell.id not in kept:
            remove(batch, cell)
    taken = [
        _taken(row, cell, found, index)
        for index, (cell, found) in enumerate(zip(same, read, strict=True))
    ]
    for cell in taken:
        batch.write(partial(cells.save, row=cell))
    # Cells of a script go on showing what they ran, if they are still there: it has no outputs.
    of_file = [
        (cell, found)
        for cell, found in zip(taken, read, strict=True)
        if row.holds_outputs or cell.id not in kept
    ]
    for cell, found in of_file:
        output = None
        if found["cell_type"] == "code":
            number = context.store.read(cells.shown_number, cell)
            output = FileOutput(found["execution_count"], found["outputs"], number)
        batch.write(partial(cells.save_output, cell_id=cell.id, output=output))
    if not is_new:
        row.revision += 1
        counts = {cell.id: found.get("execution_count") for cell, found in of_file}
        _announce(context, batch, taken, counts)
    if row.path is not None:
        row.saved_seq = context.hub.seq + len(batch.events) + 1  # the next event is the last
    save(context, batch, row, cell_count=len(taken), is_changed=row.path is None)


def _announce(
    context: Context, batch: Batch, taken: list[CellRow], counts: dict[str, int | None]
) -> None:
    """Announce cells as they will be, with the counts that their file has."""
    queued = queued_by_cell(context, taken[0].notebook_id) if taken else {}
    for index, cell in enumerate(taken):
        document = cell_view(context, cell, index)
        is_running = any(execution.started_ms for execution in queued.get(cell.id, ()))
        if cell.id in counts and not is_running:
            document.execution_count = counts[cell.id]
        batch.event("cell", None, None, document, notebook=cell.notebook_id)


def _taken(row: NotebookRow, cell: CellRow | None, found: dict[str, Any], index: int) -> CellRow:
    """Return the row of a cell that was read, a new one or the one that it was, changed."""
    kind, src, metadata = found["cell_type"], found["source"], found["metadata"]
    attachments = found.get("attachments")
    if cell is None:
        cell = new_cell(row.id, kind, src, metadata, position=index)
        cell.nb_id, cell.attachments = found["id"], attachments
        return cell
    if (cell.kind, cell.src, cell.metadata, cell.attachments) != (kind, src, metadata, attachments):
        cell.kind, cell.src, cell.metadata, cell.attachments = kind, src, metadata, attachments
        cell.revision += 1
    cell.position = index
    return cell


@serves(NotebookSave)
async def notebook_save(context: Context, call: NotebookSave) -> Notebook:
    row = find_notebook(context, call.notebook)
    wanted = call.path or row.path
    if wanted is None:
        raise InvalidParams(detail="it has no file yet, so a path is needed - at `$.path`")
    path = await asyncio.to_thread(os.path.realpath, wanted)
    # Of two at the same time, the second knows what the first has written.
    async with _lock(context, path):
        return await _save_to(context, row.id, path, force=call.force)


async def _save_to(context: Context, notebook_id: str, path: str, *, force: bool) -> Notebook:
    row = find_notebook(context, notebook_id)
    _refuse_anothers(context, row, path)
    read_seq = context.hub.seq
    content = await notebook_file(context, row)
    text = await asyncio.to_thread(formats.dump, content, path)
    written = await asyncio.to_thread(files.encoded, path, text)
    known: tuple[str | None, ...] = ()
    if path == row.path:
        known = (row.file_sha256, row.writing_sha256)
        context.store.write(notebooks.note_writing, row.id, written.sha256)
    await asyncio.to_thread(files.write, path, written, known=known, force=force)
    row = find_notebook(context, row.id)  # it may have been changed, or deleted, meanwhile
    _refuse_anothers(context, row, path)
    if path != row.path and row.name in (UNTITLED, row.path and _stem(row.path)):
        row.name = _stem(path)
    row.path, row.file_sha256, row.writing_sha256 = path, written.sha256, None
    row.saved_ms, row.saved_seq = now_ms(), read_seq
    return _saved(context, row)


def _lock(context: Context, path: str) -> asyncio.Lock:
    return context.files_in_use.setdefault(path, asyncio.Lock())


def _saved(context: Context, row: NotebookRow) -> Notebook:
    """Note that its file is as it was at ``saved_seq``; that this is so is no change to it."""
    is_changed = context.store.read(notebooks.has_changed, row)
    if not is_changed:
        row.saved_seq = context.hub.seq + 1
    batch = Batch(now_ms())
    batch.write(partial(notebooks.save, row=row))
    document = notebook_view(context, row, is_changed=is_changed)
    batch.event("notebook", None, None, document, notebook=row.id)
    context.supervisor.parts.recorder.commit(batch)
    return document


def _refuse_anothers(context: Context, row: NotebookRow, path: str) -> None:
    other = context.store.read(notebooks.at_path, path)
    if other is not None and other.id != row.id:
        raise FileUnusable(path=path, detail=f"it is the file of notebook {other.id}")


@serves(NotebookExport)
async def notebook_export(context: Context, call: NotebookExport) -> Exported:
    row = find_notebook(context, call.notebook)
    content = await notebook_file(context, row)
    return await asyncio.to_thread(as_file, content, row.name, call.format)


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0][:200] or UNTITLED
