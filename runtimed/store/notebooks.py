"""Rows of notebooks that are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import apsw


class NotebookRow(msgspec.Struct, kw_only=True):
    """A notebook as it is stored; its cells are rows of their own.

    ``revision`` counts the changes of itself and of which cells it has. ``saved_seq`` is the newest
    event when it was as its file is, ``file_sha256`` is that file's; ``writing_sha256`` is one's
    that is being written: where it was and its row was not, the file is still its own.
    """

    id: str
    name: str
    path: str | None
    metadata: dict[str, Any]
    runtime_id: str | None
    revision: int
    created_ms: int
    changed_ms: int
    saved_ms: int | None
    saved_seq: int | None
    file_sha256: str | None
    writing_sha256: str | None = None

    @property
    def holds_outputs(self) -> bool:
        return self.path is None or self.path.endswith(".ipynb")


_SELECT = (
    "SELECT id, name, path, metadata_json, runtime_id, revision, created_ms, changed_ms, "
    "saved_ms, saved_seq, file_sha256, writing_sha256 FROM notebook"
)
_SAVE = (
    "INSERT INTO notebook VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, path = excluded.path, "
    "metadata_json = excluded.metadata_json, "
    "runtime_id = excluded.runtime_id, revision = excluded.revision, "
    "changed_ms = excluded.changed_ms, saved_ms = excluded.saved_ms, "
    "saved_seq = excluded.saved_seq, file_sha256 = excluded.file_sha256, "
    "writing_sha256 = excluded.writing_sha256"
)


def save(db: apsw.Connection, row: NotebookRow) -> None:
    """Store a notebook, new or changed."""
    db.execute(
        _SAVE,
        (
            row.id,
            row.name,
            row.path,
            msgspec.json.encode(row.metadata).decode(),
            row.runtime_id,
            row.revision,
            row.created_ms,
            row.changed_ms,
            row.saved_ms,
            row.saved_seq,
            row.file_sha256,
            row.writing_sha256,
        ),
    )


def note_writing(db: apsw.Connection, notebook_id: str, sha256: str) -> None:
    """Note what is about to be written to a notebook's file."""
    db.execute("UPDATE notebook SET writing_sha256 = ? WHERE id = ?", (sha256, notebook_id))


def delete(db: apsw.Connection, notebook_id: str) -> None:
    """Delete a notebook with its cells."""
    cells = "SELECT id FROM cell WHERE notebook_id = ?"
    db.execute(f"DELETE FROM blob_use WHERE owner IN ({cells})", (notebook_id,))  # noqa: S608
    db.execute(f"DELETE FROM cell_output WHERE cell_id IN ({cells})", (notebook_id,))  # noqa: S608
    db.execute("DELETE FROM cell WHERE notebook_id = ?", (notebook_id,))
    db.execute("DELETE FROM notebook WHERE id = ?", (notebook_id,))


def get(db: apsw.Connection, notebook_id: str) -> NotebookRow | None:
    """Return the notebook of this id."""
    return next(_rows(db, "WHERE id = ?", notebook_id), None)


def at_path(db: apsw.Connection, path: str) -> NotebookRow | None:
    """Return the notebook whose file this is."""
    return next(_rows(db, "WHERE path = ?", path), None)


def called(db: apsw.Connection, reference: str) -> list[NotebookRow]:
    """Return the notebooks that have this name or short id."""
    where = "WHERE name = ? OR substr(id, -8) = ?"
    return list(_rows(db, where, reference, reference.upper()))


def listed(
    db: apsw.Connection, *, before: str | None = None, limit: int = 100
) -> list[NotebookRow]:
    """Return notebooks, the latest first."""
    where = "WHERE ? IS NULL OR id < ? ORDER BY id DESC LIMIT ?"
    return list(_rows(db, where, before, before, limit))


def has_changed(db: apsw.Connection, row: NotebookRow) -> bool:
    """Say whether something happened to it, or to its cells, since its file was as it is."""
    if row.saved_seq is None:
        return True
    # A script has no outputs: what runs, changes nothing of it.
    kinds = "" if row.holds_outputs else "AND type IN ('notebook', 'cell')"
    sql = f"SELECT EXISTS (SELECT 1 FROM event WHERE notebook_id = ? AND seq > ? {kinds})"  # noqa: S608
    return bool(db.execute(sql, (row.id, row.saved_seq)).get)


def _rows(db: apsw.Connection, where: str, *values: Any) -> Any:
    for row in db.execute(f"{_SELECT} {where}", values):
        found: list[Any] = list(row)
        found[3] = msgspec.json.decode(found[3])
        yield NotebookRow(**dict(zip(NotebookRow.__struct_fields__, found, strict=True)))
