"""Other clients' executions: found by what the kernel says of them on iopub.

Their replies go to whoever asked, so an idle status ends them. What says that one has begun is
``execute_input``; an execution of which only output is seen began before we joined, and says so.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ulid import ULID

from runtimed.kernels import gaps
from runtimed.kernels.documents import execution_document
from runtimed.model.execution import Progress
from runtimed.store.executions import ExecutionRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.kernels.messages import Message
    from runtimed.kernels.state import RuntimeState
    from runtimed.recorder import Batch

EXECUTION = "execute_request"
#: Of so many that have ended the ids are kept at hand: threads print on.
_REMEMBERED = 64


class Foreign:
    """The executions of others in one runtime. Part of its intake.

    ``stored`` looks up the id of one that ended before, by its origin.
    """

    def __init__(self, state: RuntimeState, stored: Callable[[str], str | None]) -> None:
        self._state = state
        self._stored = stored
        self._ended: OrderedDict[str, str] = OrderedDict()

    def whose(
        self, message: Message, at_ms: int, batch: Batch, *, has_output: bool
    ) -> tuple[ExecutionRow | None, str | None]:
        """Return the open execution that a message belongs to, if any, and its id.

        One that is seen for the first time is entered, unless nothing is to be kept of it.
        """
        state = self._state
        if message.parent_type != EXECUTION or not message.parent_id:
            return None, None
        origin = f"{message.parent_session}/{message.parent_id}"
        if (row := state.foreign_open.get(origin)) is not None:
            return row, row.id
        begins = message.msg_type == "execute_input"
        if state.row.record == "off" or not (begins or has_output):
            return None, None
        if not begins and (known := self._ended_id(origin)) is not None:
            return None, known
        row = self._enter(message, origin, at_ms, batch)
        state.is_shared = True
        state.foreign.add(message.parent_id)
        return row, row.id

    def _ended_id(self, origin: str) -> str | None:
        known = self._ended.get(origin) or self._stored(origin)
        if known is not None:
            self.note_end(origin, known)
        return known

    def note_end(self, origin: str, execution_id: str) -> None:
        """Remember the id of an execution that has ended: output may come after it."""
        self._ended[origin] = execution_id
        self._ended.move_to_end(origin)
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    def _enter(self, message: Message, origin: str, at_ms: int, batch: Batch) -> ExecutionRow:
        state = self._state
        code = message.content.get("code") if message.msg_type == "execute_input" else None
        row = ExecutionRow(
            id=str(ULID.from_timestamp(at_ms / 1000)),
            runtime_id=state.row.id,
            code=code if isinstance(code, str) else "",
            queued_ms=at_ms,
            requested_by={"client": "foreign", "session": message.parent_session},
            incarnation=state.row.incarnation,
            started_ms=at_ms,
            progress=Progress(status="running", sent=True),
            origin=origin,
        )
        if code is None and message.parent_id not in state.foreign:
            row.gap = gaps.loss("joined_late")
        state.foreign_open[origin] = row
        batch.new.append(row)
        document = execution_document(row, state.row)
        batch.event("execution", row.runtime_id, row.id, document, at_ms)
        return row
