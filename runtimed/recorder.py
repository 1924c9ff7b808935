"""The one place where something becomes a fact: rows, events and journal offset in one commit.

Commit, then publish. What the journal says is taken in together with how far it has been read,
so a crash between any two steps repeats nothing and skips nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.host import Step, passing
from runtimed.store import blobs, events, executions, runtimes
from runtimed.store.events import EventRow

if TYPE_CHECKING:
    from runtimed.hub import Hub
    from runtimed.store.db import Connection, Store
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

_encode = msgspec.json.Encoder().encode


class Batch:
    """What one step changes. Built by an actor or a handler, committed by the recorder."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.runtimes: dict[str, RuntimeRow] = {}
        self.offsets: dict[str, int] = {}
        self.new: list[ExecutionRow] = []
        self.changed: dict[str, ExecutionRow] = {}
        self.displays: list[tuple[str, str, str]] = []
        self.ended_displays: list[str] = []
        self.blobs: list[tuple[str, int]] = []
        self.events: list[tuple[int, str, str, str | None, Any]] = []

    def event(
        self,
        type_: str,
        runtime_id: str,
        execution_id: str | None,
        data: Any,
        at_ms: int | None = None,
    ) -> None:
        """Add an event; ``data`` is encoded when the batch is committed."""
        self.events.append((at_ms or self.now_ms, type_, runtime_id, execution_id, data))

    def __bool__(self) -> bool:
        return bool(self.runtimes or self.offsets or self.new or self.changed or self.events)


class Recorder:
    """Commits batches and publishes their events. Owned by the daemon, used on its loop."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self.store = store
        self.hub = hub

    def commit(self, batch: Batch) -> None:
        """Store the batch in one transaction, then publish its events.

        Raises `StoreUnavailable`; then nothing of it is stored or published.
        """
        rows = [
            EventRow(seq, at_ms, type_, runtime_id, execution_id, _encode(data).decode())
            for seq, (at_ms, type_, runtime_id, execution_id, data) in enumerate(
                batch.events, self.hub.seq + 1
            )
        ]
        self.store.write(_apply, batch, rows)
        passing(Step.COMMITTED)
        if rows:
            self.hub.publish(rows)
        passing(Step.PUBLISHED)


def _apply(db: Connection, batch: Batch, rows: list[EventRow]) -> None:
    for runtime in batch.runtimes.values():
        runtimes.save(db, runtime)
    for execution in batch.new:
        executions.insert(db, execution)
    for execution in batch.changed.values():
        executions.update(db, execution)
    for runtime_id in batch.ended_displays:
        executions.forget_displays(db, runtime_id)
    for display in batch.displays:
        executions.note_display(db, *display)
    for sha256, size_bytes in batch.blobs:
        blobs.note(db, sha256, size_bytes, batch.now_ms)
    events.insert(db, rows)
    for runtime_id, offset in batch.offsets.items():
        runtimes.save_offset(db, runtime_id, offset)
    passing(Step.COMMIT_OPEN)
