"""Numbered migrations: each is applied once, in one transaction with the record of it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw


class TooNew(Exception):
    """The database was written by a newer runtimed than this one."""


def migrations() -> list[tuple[int, str]]:
    """Return (number, SQL) of every migration, in order."""
    folder = resources.files("runtimed.store") / "migrations"
    found = [
        (int(entry.name.partition("_")[0]), entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def refuse_newer(db: apsw.Connection) -> int:
    """Return the number of the last migration applied. Raises `TooNew` if we do not know it."""
    current: int = db.pragma("user_version")
    newest = migrations()[-1][0]
    if current > newest:
        raise TooNew(
            f"the database has schema {current}, this runtimed knows up to {newest}: "
            "upgrade runtimed, or set RUNTIMED_STATE_DIR to another directory"
        )
    return current


def migrate(db: apsw.Connection) -> int:
    """Bring the database up to date and return how many migrations that took.

    ``PRAGMA user_version`` (https://www.sqlite.org/pragma.html#pragma_user_version) is the
    number of the last one applied. Raises `TooNew` for a database from the future.
    """
    current = refuse_newer(db)
    applied = 0
    for number, sql in migrations():
        if number <= current:
            continue
        with db:
            db.execute(sql)
            db.execute(f"PRAGMA user_version = {number:d}")
        applied += 1
    return applied
