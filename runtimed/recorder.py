"""The one place where something becomes a fact: rows, events and journal offset in one commit.

Commit, then publish. What the journal says is taken in together with how far it has been read,
so a crash between any two steps repeats nothing and skips nothing.
"""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.host import Step, passing
from runtimed.store import blobs, events, executions, runtimes
from runtimed.store.events import EventRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.hub import Hub
    from runtimed.store.db import Connection, Store
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

_encode = msgspec.json.Encoder().encode
#: After so many bytes of events and blobs at most it is looked whether too much is stored.
WEIGHED_BYTES = 64 * 1024 * 1024


class LookUp(enum.Enum):
    """A notebook that is not at hand: it is looked up by the execution when the event is stored."""

    BY_EXECUTION = enum.auto()


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
        self.events: list[tuple[int, str, str | None, str | None, Any, str | LookUp | None]] = []
        self.writes: list[Callable[[Connection], object]] = []

    def event(
        self,
        type_: str,
        runtime_id: str | None,
        execution_id: str | None,
        data: Any,
        at_ms: int | None = None,
        notebook: str | LookUp | None = None,
    ) -> None:
        """Add an event; ``data`` is encoded when the batch is committed."""
        self.events.append((at_ms or self.now_ms, type_, runtime_id, execution_id, data, notebook))

    def write(self, change: Callable[[Connection], object]) -> None:
        """Add a function of the store's, to be run in the batch's transaction."""
        self.writes.append(change)

    def __bool__(self) -> bool:
        return bool(
            self.runtimes or self.offsets or self.new or self.changed or self.events or self.writes
        )


class Recorder:
    """Commits batches and publishes their events. Owned by the daemon, used on its loop."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self.store = store
        self.hub = hub
        self.settled = asyncio.Event()
        """Set when an execution has become final: there is something to index."""
        self.has_grown = asyncio.Event()
        """Set when so much was stored that it may be too much."""
        self.weighed_bytes = WEIGHED_BYTES
        """So much; it is less where the limit is small."""
        self._unweighed_bytes = 0

    def commit(self, batch: Batch) -> None:
        """Store the batch in one transaction, then publish its events.

        Raises `StoreUnavailable`; then nothing of it is stored or published.
        """
        rows = [
            EventRow(
                seq,
                at_ms,
                type_,
                runtime_id,
                execution_id,
                _encode(data).decode(),
                self._notebook_of(execution_id) if isinstance(notebook, LookUp) else notebook,
            )
            for seq, (at_ms, type_, runtime_id, execution_id, data, notebook) in enumerate(
                batch.events, self.hub.seq + 1
            )
        ]
        self.store.write(_apply, batch, rows)
        passing(Step.COMMITTED)
        if rows:
            self.hub.publish(rows)
        passing(Step.PUBLISHED)
        self._note(batch, rows)

    def _note(self, batch: Batch, rows: list[EventRow]) -> None:
        """Wake up those who work on what is stored, where there is work for them."""
        if any(row.progress.is_final for row in batch.changed.values()):
            self.settled.set()
        self._unweighed_bytes += sum(len(row.data) for row in rows)
        self._unweighed_bytes += sum(size_bytes for _, size_bytes in batch.blobs)
        if self._unweighed_bytes >= self.weighed_bytes:
            self._unweighed_bytes = 0
            self.has_grown.set()

    def _notebook_of(self, execution_id: str | None) -> str | None:
        if execution_id is None:
            return None
        return self.store.read(executions.notebook_of, execution_id)


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
    if batch.blobs:
        for row in rows:
            if row.type == "output" and row.execution_id is not None:
                blobs.note_uses(db, row.execution_id, row.data)
    for change in batch.writes:
        change(db)
    events.insert(db, rows)
    events.supersede(db, rows)
    for runtime_id, offset in batch.offsets.items():
        runtimes.save_offset(db, runtime_id, offset)
    passing(Step.COMMIT_OPEN)
