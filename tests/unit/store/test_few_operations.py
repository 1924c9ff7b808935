"""Operations that are few are read on the loop; others are not looked at there."""

from __future__ import annotations

import apsw
import pytest

from runtimed.store.events import few_operations

CLEAR = '{"op":"clear","wait":false}'


@pytest.fixture
def db() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE event (execution_id, type, seq INTEGER PRIMARY KEY, data_json)")
    db.execute(f"INSERT INTO event VALUES ('few', 'output', 1, '{CLEAR}')")
    return db


def test_a_few_are_returned(db: apsw.Connection) -> None:
    assert few_operations(db, "few") == [{"op": "clear", "wait": False}]
    assert few_operations(db, "few", max_bytes=len(CLEAR) - 1) is None
    assert few_operations(db, "few", limit=0) is None


def test_a_long_one_is_not_read(db: apsw.Connection) -> None:
    db.execute("INSERT INTO event VALUES ('long', 'output', 2, CAST(zeroblob(50000000) AS TEXT))")
    before = apsw.memory_used()
    apsw.memory_high_water(True)
    assert few_operations(db, "long") is None
    assert apsw.memory_high_water() - before < 5_000_000
