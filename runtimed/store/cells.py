"""Rows of notebooks' cells, and what of executions they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.store import blobs, executions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import apsw


class CellRow(msgspec.Struct, kw_only=True):
    """A cell as it is stored. ``revision`` counts its edits; ``position`` orders it."""

    id: str
    notebook_id: str
    position: float
    kind: str
    src: str
    nb_id: str
    metadata: dict[str, Any]
    attachments: dict[str, Any] | None
    revision: int


class FileOutput(msgspec.Struct):
    """What a cell's file had of outputs, as nbformat has them; large values are `BlobRef`.

    It shows until there is a run that began, of an execution whose number is greater.
    """

    execution_count: int | None
    outputs: list[dict[str, Any]]
    number: int


_SELECT = (
    "SELECT id, notebook_id, position, kind, src, nb_id, metadata_json, attachments_json, revision "
    "FROM cell"
)
_SAVE = (
    "INSERT INTO cell VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "position = excluded.position, kind = excluded.kind, src = excluded.src, "
    "metadata_json = excluded.metadata_json, attachments_json = excluded.attachments_json, "
    "revision = excluded.revision"
)


def save(db: apsw.Connection, row: CellRow) -> None:
    """Store a cell, new or changed."""
    attachments = None if row.attachments is None else _json(row.attachments)
    db.execute(
        _SAVE,
        (
            row.id,
            row.notebook_id,
            row.position,
            row.kind,
            row.src,
            row.nb_id,
            _json(row.metadata),
            attachments,
            row.revision,
        ),
    )


def save_output(db: apsw.Connection, cell_id: str, output: FileOutput | None) -> None:
    """Store what the cell's file has of outputs, and which blobs that refers to."""
    db.execute("DELETE FROM cell_output WHERE cell_id = ?", (cell_id,))
    blobs.leave(db, cell_id)
    if output is not None:
        outputs = _json(output.outputs)
        db.execute(
            "INSERT INTO cell_output VALUES (?, ?, ?, ?)",
            (cell_id, output.execution_count, outputs, output.number),
        )
        blobs.note_uses(db, cell_id, outputs)


def delete(db: apsw.Connection, cell_id: str) -> None:
    """Delete a cell; what it ran stays."""
    blobs.leave(db, cell_id)
    db.execute("DELETE FROM cell_output WHERE cell_id = ?", (cell_id,))
    db.execute("DELETE FROM cell WHERE id = ?", (cell_id,))


def get(db: apsw.Connection, cell_id: str) -> CellRow | None:
    """Return the cell of this id."""
    return next(_rows(db, "WHERE id = ?", cell_id), None)


def ids_ending_in(db: apsw.Connection, short_id: str) -> list[str]:
    """Return the ids whose short form this is."""
    sql = "SELECT id FROM cell WHERE substr(id, -8) = ?"
    return [str(row[0]) for row in db.execute(sql, (short_id.upper(),))]


def of_notebook(db: apsw.Connection, notebook_id: str) -> list[CellRow]:
    """Return the cells of a notebook, in its order."""
    return list(_rows(db, "WHERE notebook_id = ? ORDER BY position", notebook_id))


def order(db: apsw.Connection, notebook_id: str) -> list[tuple[str, float]]:
    """Return (id, position) of the cells of a notebook, in its order."""
    sql = "SELECT id, position FROM cell WHERE notebook_id = ? ORDER BY position"
    return [(str(i), float(str(at))) for i, at in db.execute(sql, (notebook_id,))]


def count(db: apsw.Connection, notebook_id: str) -> int:
    """Return how many cells a notebook has."""
    return int(db.execute("SELECT count(*) FROM cell WHERE notebook_id = ?", (notebook_id,)).get)


def place(db: apsw.Connection, positions: Iterable[tuple[str, float]]) -> None:
    """Give cells their positions."""
    db.executemany(
        "UPDATE cell SET position = ? WHERE id = ?", ((at, cell_id) for cell_id, at in positions)
    )


def file_output(db: apsw.Connection, cell_id: str) -> FileOutput | None:
    """Return what the cell's file had of outputs."""
    sql = "SELECT execution_count, outputs_json, number FROM cell_output WHERE cell_id = ?"
    for execution_count, outputs, number in db.execute(sql, (cell_id,)):
        return FileOutput(
            _as_int(execution_count), msgspec.json.decode(str(outputs)), int(str(number))
        )
    return None


def file_count(db: apsw.Connection, cell_id: str) -> tuple[int | None, int]:
    """Return the cell's execution_count in its file, and the number that runs begin after."""
    sql = "SELECT execution_count, number FROM cell_output WHERE cell_id = ?"
    for execution_count, number in db.execute(sql, (cell_id,)):
        return _as_int(execution_count), int(str(number))
    return None, 0


def latest(db: apsw.Connection, row: CellRow, *, begun_after: int | None = None) -> str | None:
    """Return the id of the cell's latest execution, or of the latest that began after a number."""
    begun = "" if begun_after is None else "AND started_ms IS NOT NULL AND number > ? "
    sql = (
        "SELECT id FROM execution WHERE cell_notebook = ? AND cell_id = ? "  # noqa: S608
        f"{begun}ORDER BY number DESC LIMIT 1"
    )
    values = (row.notebook_id, row.id)
    found: str | None = db.execute(
        sql, values if begun_after is None else (*values, begun_after)
    ).get
    return found


def shown_number(db: apsw.Connection, row: CellRow) -> int:
    """Return the number that runs have to begin after, to show instead of what was just read.

    What is under way shows once it has begun.
    """
    sql = (
        "SELECT min(number) FROM execution WHERE cell_notebook = ? AND cell_id = ? "
        "AND status IN ('queued', 'running', 'waiting_input')"
    )
    first = db.execute(sql, (row.notebook_id, row.id)).get
    return executions.last_number(db) if first is None else int(first) - 1


def _rows(db: apsw.Connection, where: str, *values: Any) -> Iterator[CellRow]:
    for row in db.execute(f"{_SELECT} {where}", values):
        found: list[Any] = list(row)
        found[6] = msgspec.json.decode(found[6])
        found[7] = None if found[7] is None else msgspec.json.decode(found[7])
        yield CellRow(**dict(zip(CellRow.__struct_fields__, found, strict=True)))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _as_int(value: object) -> int | None:
    return value if isinstance(value, int) else None
