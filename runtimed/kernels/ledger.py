"""The open executions of one runtime: what is observed of each, and what follows for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.kernels import gaps
from runtimed.kernels.clock import steady_s
from runtimed.kernels.documents import execution_changes
from runtimed.kernels.effects import Effect, Finished, Outspoken, Unsettled
from runtimed.kernels.implementations import speaks_late
from runtimed.model.execution import Stimulus, advance
from runtimed.model.ids import split_message_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.kernels.state import RuntimeState
    from runtimed.recorder import Batch
    from runtimed.store.executions import ExecutionRow

FAILED = frozenset(("error", "interrupted", "kernel_died", "lost"))


class Ledger:
    """Moves executions on. Part of the intake; ``ended`` is told of others' that are final."""

    def __init__(self, state: RuntimeState, ended: Callable[[str, str], None]) -> None:
        self._state = state
        self._ended = ended

    def ours(self, msg_id: str) -> ExecutionRow | None:
        """Return the open execution whose present attempt has this msg_id."""
        split = split_message_id(msg_id)
        if split is None:
            return None
        row = self._state.executions.get(split[0])
        return row if row is not None and row.progress.attempt == split[1] else None

    def advance(
        self,
        row: ExecutionRow,
        stimulus: Stimulus,
        at_ms: int,
        batch: Batch,
        *,
        detail: str | None = None,
        ename: str | None = None,
        announce: bool = False,
    ) -> list[Effect]:
        before = row.progress
        if before.is_final:
            return []
        row.progress = after = advance(
            before,
            stimulus,
            detail=detail,
            ename=ename,
            carry_over=row.carry_over,
            speaks_late=speaks_late(self._state.row),
        )
        if after.attempt != before.attempt:
            row.started_ms = row.execution_count = None
        if after.is_final:
            return self.finish(row, at_ms, batch)
        if after is not before:
            batch.changed[row.id] = row
        if stimulus is Stimulus.INPUT_REQUESTED:
            self._state.idle_since_s = steady_s()
        if after.status != before.status or announce:
            _announce(row, at_ms, batch)
        if (after.reply is None) == after.idle and stimulus in (Stimulus.REPLIED, Stimulus.IDLED):
            return [Unsettled(row)]
        if after.is_outspoken and not before.is_outspoken:
            return [Outspoken(row)]
        return []

    def finish(self, row: ExecutionRow, at_ms: int, batch: Batch) -> list[Effect]:
        """Close a final execution; if it failed, what is queued of its group is cancelled."""
        row.ended_ms = at_ms
        row.input = None
        if row.progress.gap is not None:
            row.gap = gaps.joined(row.gap, gaps.loss(row.progress.gap))
        batch.changed[row.id] = row
        _announce(row, at_ms, batch)
        if row.origin is None:
            self._state.executions.pop(row.id, None)
        else:
            self._state.foreign_open.pop(row.origin, None)
            self._ended(row.origin, row.id)
        self._state.settling.add(row.id)
        self._state.idle_since_s = steady_s()
        effects: list[Effect] = [Finished(row)]
        if row.status in FAILED and row.stop_on_error and row.group is not None:
            reason = f"{row.id} of its group ended as {row.status}"
            for other in list(self._state.executions.values()):
                if other.group == row.group:
                    effects += self.cancel(other, reason, at_ms, batch)
        return effects

    def cancel(self, row: ExecutionRow, reason: str, at_ms: int, batch: Batch) -> list[Effect]:
        """Cancel an execution that is not dispatched; others stay as they are."""
        if self._state.is_dispatched(row):
            return []
        return self.advance(row, Stimulus.CANCEL, at_ms, batch, detail=reason)

    def note(self, row: ExecutionRow, stimulus: Stimulus, at_ms: int, batch: Batch) -> None:
        """Note something that was done about an execution, and ends nothing by itself."""
        self.advance(row, stimulus, at_ms, batch)


def _announce(row: ExecutionRow, at_ms: int, batch: Batch) -> None:
    changes = execution_changes(row)
    batch.event("execution", row.runtime_id, row.id, changes, at_ms, row.cell_notebook)
