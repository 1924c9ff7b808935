"""From starting the daemon to its first answer, with an empty store and with 100,000 executions."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Any

from ulid import ULID

from bench.harness import Value, new_state
from runtimed.config import Config
from runtimed.model.execution import Progress
from runtimed.store import events, executions, runtimes
from runtimed.store.db import Connection, Store
from runtimed.store.events import EventRow
from runtimed.store.executions import ExecutionRow
from runtimed.store.runtimes import RuntimeRow
from tests.harness.daemon import Daemon, State

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIMES = 100
EXECUTIONS = 100_000
ROUNDS = 7
_BEGIN_MS = 1_700_000_000_000


def measure() -> Iterator[Value]:
    with new_state() as empty, new_state() as full:
        fill(full)
        taken: dict[str, list[tuple[float, float]]] = {"empty": [], "full": []}
        for _ in range(ROUNDS):
            for name, state in (("empty", empty), ("full", full)):
                taken[name].append(_start(state))
        size_mb = os.path.getsize(full.files.database) / 2**20
    ready_s, answer_s = _medians(taken["empty"])
    yield Value(name="daemon start to ready, empty", ours=ready_s * 1e3, unit="ms")
    yield Value(name="daemon start to first answer, empty", ours=answer_s * 1e3, unit="ms")
    full_ready_s, full_answer_s = _medians(taken["full"])
    for name, ours, theirs in (
        ("ready", full_ready_s, ready_s),
        ("first answer", full_answer_s, answer_s),
    ):
        yield Value(
            name=f"daemon start to {name}, {EXECUTIONS:,}",
            ours=ours * 1e3,
            unit="ms",
            reference=theirs * 1e3,
            of="empty",
            note=f"{size_mb:.0f} MB database" if name == "ready" else "",
        )


def _medians(taken: list[tuple[float, float]]) -> tuple[float, float]:
    ready, answered = zip(*taken, strict=True)
    return statistics.median(ready), statistics.median(answered)


def _start(state: State) -> tuple[float, float]:
    """Return the seconds until it was ready, and until daemon.hello was answered."""
    begin = time.perf_counter()
    daemon = Daemon(state).start()
    ready_s = time.perf_counter() - begin
    with state.connection():  # says hello, and waits for the answer
        answered_s = time.perf_counter() - begin
    daemon.stop(kernels=True)
    return ready_s, answered_s


def fill(state: State) -> None:
    """Store runtimes that have ended, with their executions and what these printed."""
    state.files.create()
    store = Store(state.files.database, Config())
    for number in range(RUNTIMES):
        store.write(_fill_one, number)
    store.checkpoint()
    store.close()


def _fill_one(db: Connection, number: int) -> None:
    per_runtime = EXECUTIONS // RUNTIMES
    runtime = _runtime(number)
    runtimes.save(db, runtime)
    for place in range(per_runtime):
        at_ms = _BEGIN_MS + (number * per_runtime + place) * 1000
        execution_id = str(ULID.from_timestamp(at_ms / 1000))
        executions.insert(
            db,
            ExecutionRow(
                id=execution_id,
                runtime_id=runtime.id,
                code=f"total = sum(range({place}))\nprint(total)",
                queued_ms=at_ms,
                started_ms=at_ms + 1,
                ended_ms=at_ms + 9,
                execution_count=place + 1,
                incarnation=1,
                requested_by={"client": "bench", "pid": 1},
                progress=Progress(status="done", reply="ok", idle=True),
            ),
        )
        said: list[tuple[str, str]] = [
            ("execution", '{"status":"queued"}'),
            ("execution", '{"status":"running"}'),
            ("output", f'{{"op":"stream","name":"stdout","text":"{place * 12345}\\n"}}'),
            ("execution", '{"status":"done"}'),
        ]
        seq = (number * per_runtime + place) * len(said) + 1
        events.insert(
            db,
            [
                EventRow(seq + i, at_ms + i, type_, runtime.id, execution_id, data)
                for i, (type_, data) in enumerate(said)
            ],
        )


def _runtime(number: int) -> RuntimeRow:
    at_ms = _BEGIN_MS + number
    values: dict[str, Any] = {
        "id": str(ULID.from_timestamp(at_ms / 1000)),
        "name": f"work-{number}",
        "kernel_name": "python3",
        "language": "python",
        "origin": "launched",
        "status": "dead",
        "incarnation": 1,
        "pid": None,
        "start_time": None,
        "boot_id": None,
        "connection_file": f"/nowhere/kernel-{number}.json",
        "transport": "ipc",
        "ip": None,
        "private": True,
        "environment": None,
        "environment_key": "",
        "project": None,
        "implicit": False,
        "cwd": "/",
        "idle_stop_s": None,
        "created_ms": at_ms,
        "ended_ms": at_ms + 1,
        "exit": {"code": 0, "signal": None, "reason": "exit"},
        "notices": [],
        "launch": {},
        "journal_offset": 0,
        "removed_ms": None,
    }
    return RuntimeRow(**values)
