"""A database of many executions, made by bulk: as if a person had run them in two years."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING

import apsw
from ulid import ULID

from runtimed.config import Config
from runtimed.model.recall import Searchable
from runtimed.store.db import Store
from runtimed.store.runtimes import RuntimeRow, save
from runtimed.store.search import SearchIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import State

#: The first of them was submitted then (2 January 2025), and the last two years later.
BEGIN_MS = 1_735_776_000_000
SPAN_MS = 2 * 365 * 86_400_000
RUNTIMES = 200
CELLS = 500
#: In one piece of Python's code this many words, in its output so many.
CODE_WORDS, OUTPUT_WORDS = 12, 12
_COMMON = (
    *("import", "df", "merge", "dataframe", "print", "for", "in", "range", "def", "return"),
    *("numpy", "np", "pd", "plot", "groupby", "read", "csv", "model", "fit", "train"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BATCH = 20_000


class Words:
    """Words as people use them: few of them often, most of them hardly ever (Zipf)."""

    def __init__(self, seed: random.Random) -> None:
        rare = ("".join(seed.choices(_LETTERS, k=seed.randint(4, 9))) for _ in range(30_000))
        self._words = [*_COMMON, *rare]
        self._weights = list(itertools.accumulate(1 / (n + 3) for n in range(len(self._words))))
        self._seed = seed

    def line(self, count: int) -> str:
        return " ".join(self._seed.choices(self._words, cum_weights=self._weights, k=count))


def runtime_ids() -> list[str]:
    """Return the runtimes' ids: the first has run most, the last least."""
    return [f"01JGJ4ZP00{number:016d}" for number in range(RUNTIMES)]


def build(state: State, count: int) -> None:
    """Make the database and the search index of so many executions, in the state directory."""
    seed = random.Random(1)
    words, runtimes = Words(seed), runtime_ids()
    state.files.create()
    store = Store(state.files.database, Config())
    try:
        for number, id in enumerate(runtimes):
            store.write(save, _runtime(id, number))
        search = SearchIndex(state.files.search, store.epoch)
        search.progress(0)
        index = apsw.Connection(state.files.search)
        index.pragma("synchronous", "off")
        store.db.pragma("synchronous", "off")
        rows = _rows(seed, words, runtimes, count)
        while batch := list(itertools.islice(rows, _BATCH)):
            with store.db, index:
                _insert(store.db, index, batch)
        with index:
            for table in ("words", "parts"):
                index.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")
            index.execute("UPDATE state SET value = ? WHERE key = 'mark'", (str(count),))
        index.close()
        search.close()
    finally:
        store.truncate_log()
        store.close()


def _insert(db: apsw.Connection, index: apsw.Connection, batch: list[_Row]) -> None:
    db.executemany(
        "INSERT INTO execution (number, id, runtime_id, incarnation, status, queued_ms, started_ms,"
        " ended_ms, execution_count, requested_by_json, cell_notebook, cell_id, stop_on_error,"
        " carry_over, progress_json, origin) "
        "VALUES (?, ?, ?, 1, ?, ?, ?, ?, 1, ?, ?, ?, 1, 0, ?, ?)",
        [row[0] for row in batch],
    )
    db.executemany(
        "INSERT INTO submission (number, code) VALUES (?, ?)",
        [(row[0][0], row[1].code) for row in batch],
    )
    db.executemany(
        "INSERT INTO event (at_ms, type, runtime_id, execution_id, data_json) "
        "VALUES (?, 'output', ?, ?, ?)",
        [
            (
                row[0][4],
                row[0][2],
                row[0][1],
                json.dumps({"op": "stream", "name": "stdout", "text": row[1].output}),
            )
            for row in batch
        ],
    )
    index.executemany(
        "INSERT INTO text VALUES (?, ?, ?, ?)",
        [(row[0][0], row[1].code, row[1].error, row[1].output) for row in batch],
    )


_Columns = tuple[int, str, str, str, int, int, int, str, str | None, str | None, str, str | None]
_Row = tuple[_Columns, Searchable]
_STATUSES = ("done", "error", "interrupted", "cancelled")


def _client(number: int) -> dict[str, str]:
    """Return who submitted it: one in twenty an agent, by MCP or by runt."""
    if number % 20:
        return {"client": "runt"}
    client = "mcp" if number % 40 else "runt"
    return {"client": client, "agent": "codex" if number % 60 else "claude-code"}


def _rows(seed: random.Random, words: Words, runtimes: list[str], count: int) -> Iterator[_Row]:
    weights = [1 / (n + 2) for n in range(len(runtimes))]
    for number in range(1, count + 1):
        at_ms = BEGIN_MS + SPAN_MS * number // count
        (runtime,) = seed.choices(runtimes, weights)
        (status,) = seed.choices(_STATUSES, (90, 8, 1, 1))
        is_foreign = seed.random() < 0.4
        cell = seed.randrange(CELLS) if is_foreign else None
        client = {"client": "foreign", "session": "s"} if is_foreign else _client(number)
        error = f"ValueError: {words.line(3)}" if status == "error" else ""
        yield (
            (
                number,
                str(ULID.from_timestamp(at_ms / 1000)),
                runtime,
                status,
                at_ms,
                at_ms,
                at_ms + 10,
                json.dumps(client),
                None if cell is None else "work.ipynb",
                None if cell is None else f"cell-{cell}",
                json.dumps({"status": status, "sent": True}),
                f"s/{number}" if is_foreign else None,
            ),
            Searchable(f"{words.line(CODE_WORDS)}", error, words.line(OUTPUT_WORDS)),
        )


def _runtime(id: str, number: int) -> RuntimeRow:
    return RuntimeRow(
        id=id,
        name=f"lab-{number}",
        kernel_name="python3",
        language="python",
        origin="launched",
        status="dead",
        incarnation=1,
        pid=None,
        start_time=None,
        boot_id=None,
        connection_file=f"/nowhere/kernel-{number}.json",
        transport="ipc",
        ip=None,
        private=True,
        environment=None,
        environment_key="python3",
        project=None,
        implicit=False,
        cwd="/",
        idle_stop_s=None,
        created_ms=BEGIN_MS,
        ended_ms=BEGIN_MS,
        exit=None,
        notices=[],
        launch={},
        journal_offset=0,
        removed_ms=None,
    )
