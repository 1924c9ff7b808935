"""Migrations build the schema that is written down, and know where they end."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import apsw
import pytest

from runtimed.config import Config
from runtimed.store.db import Store
from runtimed.store.migrate import TooNew, migrate, migrations

if TYPE_CHECKING:
    from pathlib import Path


def schema(db: apsw.Connection) -> dict[str, str]:
    """Return the statements that made the database, without comments and spaces."""
    found = db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {
        str(name): re.sub(r"\s*([(),])\s*|\s+", r"\1 ", re.sub(r"--[^\n]*", "", str(sql)))
        for name, sql in found
    }


def test_migrations_build_the_schema() -> None:
    written, migrated = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    written.execute((resources.files("runtimed.store") / "schema.sql").read_text("utf-8"))
    assert migrate(migrated) == len(migrations())
    assert schema(migrated) == schema(written)
    assert len(schema(written)) > 5


def test_they_are_numbered_without_holes_and_applied_once() -> None:
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    db = apsw.Connection(":memory:")
    migrate(db)
    assert migrate(db) == 0
    assert db.pragma("user_version") == numbers[-1]


def test_a_migration_that_fails_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), (99, "CREATE TABLE half (a); CREATE TABLE half (b);")]
    monkeypatch.setattr("runtimed.store.migrate.migrations", lambda: broken)
    db = apsw.Connection(":memory:")
    with pytest.raises(apsw.SQLError):
        migrate(db)
    assert "half" not in schema(db)
    assert db.pragma("user_version") == len(migrations())


def test_a_newer_database_is_refused_in_one_sentence() -> None:
    db = apsw.Connection(":memory:")
    db.pragma("user_version", 1000)
    with pytest.raises(TooNew) as refused:
        migrate(db)
    assert re.fullmatch(
        r"the database has schema 1000, .*: upgrade runtimed, or [^.]*", str(refused.value)
    )
    assert schema(db) == {}


def test_an_epoch_is_kept_and_the_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = Store(str(path), Config())
    epoch = store.epoch
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    store.close()
    again = Store(str(path), Config())
    assert again.epoch == epoch
    again.close()
