"""Put what a kernel has dropped on the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.kernels import gaps

if TYPE_CHECKING:
    from runtimed.kernels.messages import Message
    from runtimed.kernels.state import RuntimeState
    from runtimed.recorder import Batch
    from runtimed.store.executions import ExecutionRow

REASON = "kernel_dropped"
#: A storm has many holes: they are announced together.
_ANNOUNCED_EVERY_MS = 1000


class Losses:
    """What one runtime's kernel has dropped. Part of its intake.

    An execution's record is right with each commit; events tell how many more were dropped since
    the last one. ``unsaid`` of them were not announced yet. ``is_uncertain`` says that the keeper
    leaves out what others' executions say, by request: then a hole proves nothing.
    """

    def __init__(self, state: RuntimeState) -> None:
        self.unsaid = 0
        self.is_uncertain = state.row.record == "off"
        self._state = state
        self._row: ExecutionRow | None = None
        self._since_ms = 0

    def add(self, dropped: int, message: Message, at_ms: int, batch: Batch) -> None:
        """Count so many more, or fewer where some were only late, on the execution that runs.

        The message is what showed it; one of them may also be the occasion to announce them.
        """
        if dropped and not self.is_uncertain:
            self._add(dropped, at_ms, batch)
        is_idle = message.content.get("execution_state") == "idle"
        if self.unsaid and (is_idle or at_ms - self._since_ms >= _ANNOUNCED_EVERY_MS):
            self.say(at_ms, batch)

    def _add(self, dropped: int, at_ms: int, batch: Batch) -> None:
        if dropped > 0 and self._row is not self._state.current:
            self.say(at_ms, batch)
            self._row = self._state.current
        if not self.unsaid:
            self._since_ms = at_ms
        self.unsaid += dropped
        if self._row is not None and not self._row.progress.is_final:
            self._count(self._row, dropped, batch)

    def _count(self, row: ExecutionRow, dropped: int, batch: Batch) -> None:
        row.gap = gaps.joined(row.gap, gaps.loss(REASON, count=dropped))
        batch.changed[row.id] = row

    def say(self, at_ms: int, batch: Batch) -> None:
        """Announce what was dropped since it was announced last."""
        dropped, self.unsaid = self.unsaid, 0
        if dropped > 0:
            execution, notebook = None, None
            if self._row is not None:
                execution, notebook = self._row.id, self._row.cell_notebook
            loss = gaps.loss(REASON, count=dropped)
            batch.event("gap", self._state.row.id, execution, loss, at_ms, notebook)
