"""Lists come from indexes: each filter, and no table is read from one end to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.history_database import RUNTIMES, build, runtime_ids
from runtimed.config import Config
from runtimed.store import executions
from runtimed.store.db import Store
from runtimed.store.selection import Selection
from tests.harness.daemon import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

COUNT = 3000
RUNTIME = runtime_ids()[3]


@pytest.fixture(scope="module")
def db() -> Iterator[apsw.Connection]:
    state = State.create()
    build(state, COUNT)
    store = Store(state.files.database, Config())
    yield store.db
    store.close()
    state.dispose()


def everything(db: apsw.Connection) -> list[Any]:
    sql = (
        "SELECT number, id, runtime_id, status, origin, queued_ms, cell_notebook, cell_id, "
        "json_extract(requested_by_json, '$.client'), json_extract(requested_by_json, '$.agent') "
        "FROM execution ORDER BY number DESC"
    )
    return list(db.execute(sql))


def times(db: apsw.Connection) -> list[int]:
    return [row[5] for row in everything(db)]


SELECTIONS: dict[str, dict[str, Any]] = {
    "all": {},
    "runtime": {"runtime_id": RUNTIME},
    "status": {"statuses": ["error"]},
    "statuses": {"statuses": ["cancelled", "queued", "interrupted"]},
    "no status": {"statuses": []},
    "foreign": {"foreign": True},
    "mine": {"foreign": False},
    "foreign of a runtime": {"runtime_id": RUNTIME, "foreign": True},
    "mine of a runtime": {"runtime_id": RUNTIME, "foreign": False},
    "status of a runtime": {"runtime_id": RUNTIME, "statuses": ["error", "done"]},
    "cell": {"cell": ("work.ipynb", "cell-7")},
    "by a kind of client": {"by": "mcp"},
    "by an agent": {"by": "claude-code"},
    "by nobody": {"by": "nobody"},
    "by an agent, in a status": {"by": "claude-code", "statuses": ["error", "queued", "done"]},
    "by a client, of a runtime": {"by": "mcp", "runtime_id": RUNTIME},
    "of many runtimes": {"runtimes": [*runtime_ids()[5:90], "0" * 26]},
    "of many runtimes, by": {"runtimes": runtime_ids()[5:90], "by": "mcp"},
    "of many runtimes, in a status": {"runtimes": runtime_ids(), "statuses": ["queued", "done"]},
    "of no runtime": {"runtimes": []},
    "of a runtime among many": {"runtimes": runtime_ids()[:9], "runtime_id": RUNTIME},
    "of a runtime not among them": {"runtimes": runtime_ids()[5:9], "runtime_id": RUNTIME},
    "of many runtimes, all of it": {
        "runtimes": runtime_ids(),
        "by": "mcp",
        "statuses": ["done"],
        "since_ms": 2500,
        "until_ms": 500,
        "before": 600,
    },
    "since": {"since_ms": 1000},
    "until": {"until_ms": 2000},
    "since and until": {"since_ms": 2000, "until_ms": 1000},
    "before": {"before": 500},
    "all of it": {
        "runtime_id": RUNTIME,
        "statuses": ["done"],
        "foreign": True,
        "since_ms": 2500,
        "until_ms": 500,
        "before": 600,
    },
}


def selection(db: apsw.Connection, given: dict[str, Any]) -> Selection:
    """Return it, with times and ids in place of places among the newest."""
    rows = everything(db)
    at: dict[str, Any] = {name: rows[given[name]][5] for name in ("since_ms",) if name in given}
    if "until_ms" in given:
        at["until_ms"] = rows[given["until_ms"]][5]
    if "before" in given:
        at["before"] = rows[given["before"]][1]
    return Selection(**{**given, **at})


def expected(db: apsw.Connection, wanted: Selection) -> list[int]:
    rows = everything(db)
    before = next((row[0] for row in rows if row[1] == wanted.before), COUNT + 1)
    return [
        row[0]
        for row in rows
        if (wanted.runtime_id is None or row[2] == wanted.runtime_id)
        and (wanted.statuses is None or row[3] in wanted.statuses)
        and (wanted.runtimes is None or row[2] in wanted.runtimes)
        and (wanted.by is None or wanted.by in row[8:10])
        and (wanted.foreign is None or (row[4] is not None) == wanted.foreign)
        and (wanted.since_ms is None or row[5] >= wanted.since_ms)
        and (wanted.until_ms is None or row[5] < wanted.until_ms)
        and (wanted.cell is None or (row[6], row[7]) == wanted.cell)
        and row[0] < before
    ]


_FEW = (
    *("cell", "no status", "all of it", "by nobody", "of no runtime", "by a client, of a runtime"),
    *("of a runtime not among them", "of many runtimes, all of it"),
)


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_is_what_it_says(db: apsw.Connection, name: str) -> None:
    wanted = selection(db, SELECTIONS[name])
    theirs = expected(db, wanted)
    assert wanted.numbers(db, COUNT) == theirs
    assert wanted.numbers(db, 7) == theirs[:7]
    assert wanted.among(db, list(range(COUNT, 0, -1))) == theirs
    assert len(theirs) > 7 or name in _FEW


@pytest.mark.parametrize("name", SELECTIONS)
def test_each_is_read_from_an_index(db: apsw.Connection, name: str) -> None:
    wanted = selection(db, SELECTIONS[name])
    asked: list[tuple[str, Any]] = []

    def note(_: apsw.Cursor, sql: str, bindings: Any) -> bool:
        asked.append((sql, bindings))
        return True

    db.exec_trace = note
    try:
        executions.selected(db, wanted, 50)
    finally:
        db.exec_trace = None
    assert asked
    for sql, bindings in asked:
        plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
        # The newest of all are read from the new end of the table itself.
        assert "SCAN execution" not in plan or name in ("all", "no status"), plan
        is_sorted = any("TEMP B-TREE" in step for step in plan)
        assert not is_sorted or "INDEXED BY execution_open" in sql, plan


@pytest.mark.parametrize(
    ("given", "is_quick"),
    [
        ({}, True),
        ({"runtime_id": RUNTIME}, True),
        ({"runtime_id": RUNTIME, "foreign": True}, True),
        ({"statuses": ["error"], "foreign": True}, False),
        ({"runtime_id": RUNTIME, "since_ms": 1}, False),
        ({"since_ms": 1, "until_ms": 2}, False),
        ({"by": "mcp"}, True),
        ({"by": "mcp", "runtime_id": RUNTIME}, False),
        ({"runtimes": [RUNTIME]}, False),
    ],
)
def test_what_no_index_has_is_asked_in_a_thread(given: dict[str, Any], is_quick: bool) -> None:
    assert Selection(**given).is_quick == is_quick


def test_clocks_that_were_set_back_hide_nothing(db: apsw.Connection) -> None:
    rows = everything(db)
    with db:
        db.execute("UPDATE execution SET queued_ms = ? WHERE number = ?", (rows[10][5], rows[0][0]))
    try:
        found = Selection(since_ms=rows[12][5]).numbers(db, 100)
        assert found == [row[0] for row in rows[:13]]
        assert Selection(until_ms=rows[5][5]).numbers(db, 2) == [rows[0][0], rows[6][0]]
    finally:
        with db:
            db.execute(
                "UPDATE execution SET queued_ms = ? WHERE number = ?", (rows[0][5], rows[0][0])
            )


def test_there_are_runtimes_enough() -> None:
    assert len(set(runtime_ids())) == RUNTIMES
