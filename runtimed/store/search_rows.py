"""Rows of the search index that are changed in more than one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw


def take_out(db: apsw.Connection, numbers: Sequence[int]) -> None:
    """Take texts out of the indexes; these have to be told what was in them."""
    sql = "SELECT number, code, error, output FROM text WHERE number = ?"
    for number in numbers:
        for row in db.execute(sql, (number,)).fetchall():
            db.execute(
                "INSERT INTO words (words, rowid, code, error, output) "
                "VALUES ('delete', ?, ?, ?, ?)",
                row,
            )
            db.execute("INSERT INTO parts (parts, rowid, code) VALUES ('delete', ?, ?)", row[:2])
            db.execute("DELETE FROM text WHERE number = ?", (number,))
        db.execute("DELETE FROM unfinished WHERE number = ?", (number,))


def state(db: apsw.Connection, key: str) -> str | None:
    """Return a single fact of the index."""
    found: str | None = db.execute("SELECT value FROM state WHERE key = ?", (key,)).get
    return found


def note(db: apsw.Connection, key: str, value: str) -> None:
    """Note a single fact of the index."""
    db.execute(
        "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )
