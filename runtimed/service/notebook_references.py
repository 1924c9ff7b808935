"""Which notebook, and which cell, a caller means, and whether an edit is for what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.errors import AmbiguousReference, CellNotFound, NotebookNotFound, StaleEdit
from runtimed.model.ids import is_ulid, short
from runtimed.store import cells, notebooks

if TYPE_CHECKING:
    from runtimed.service.context import Context
    from runtimed.store.cells import CellRow
    from runtimed.store.notebooks import NotebookRow


def find_notebook(context: Context, reference: str) -> NotebookRow:
    """Return the notebook meant: by id, path, short id or name.

    Raises `NotebookNotFound` or `AmbiguousReference`.
    """
    read = context.store.read
    if is_ulid(reference.upper()):
        row = read(notebooks.get, reference.upper())
    elif reference.startswith("/"):
        row = read(notebooks.at_path, reference)
        if row is None:  # it may be a link; to follow it now may wait for a disk
            row = read(notebooks.at_path, context.files_opened_as.get(reference, reference))
    else:
        found = read(notebooks.called, reference)
        if len(found) > 1:
            names = [f"{short(row.id)} ({row.path or row.name})" for row in found]
            raise AmbiguousReference(reference=reference, candidates=names)
        row = found[0] if found else None
    if row is None:
        raise NotebookNotFound(notebook=reference)
    return row


def notebook_name(context: Context, reference: str) -> str:
    """Return the name under which events have a notebook: its id, or what an application says.

    Raises `AmbiguousReference`.
    """
    try:
        return find_notebook(context, reference).id
    except NotebookNotFound:
        return reference


def find_cell(context: Context, reference: str) -> tuple[CellRow, NotebookRow]:
    """Return the cell meant, by its id or the last 8 characters of it, and its notebook.

    Raises `CellNotFound` or `AmbiguousReference`.
    """
    cell_id = reference.upper()
    if not is_ulid(cell_id):
        ids = context.store.read(cells.ids_ending_in, reference) if len(reference) == 8 else []
        if len(ids) > 1:
            raise AmbiguousReference(reference=reference, candidates=ids)
        cell_id = ids[0] if ids else cell_id
    row = context.store.read(cells.get, cell_id)
    notebook = None if row is None else context.store.read(notebooks.get, row.notebook_id)
    if row is None or notebook is None:
        raise CellNotFound(cell=reference)
    return row, notebook


def check_etag(row: CellRow | NotebookRow, if_match: str | None) -> None:
    """Raise `StaleEdit` if an edit is for another state of it than the present one."""
    if if_match is not None and if_match != str(row.revision):
        raise StaleEdit(document=short(row.id), etag=str(row.revision), if_match=if_match)
