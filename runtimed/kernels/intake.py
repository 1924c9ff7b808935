"""Take journal records in: what each one changes, and what is to be done about it.

The intake decides and does nothing else: it changes the runtime's state, fills a batch for the
recorder, and returns effects for the actor to act on once the batch is committed.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtimed.kernels.documents import execution_changes, runtime_document
from runtimed.kernels.effects import (
    Answered,
    Connected,
    Disconnected,
    Effect,
    Exited,
    Finished,
    InputWanted,
    Unsettled,
)
from runtimed.model.execution import Stimulus, advance
from runtimed.model.ids import message_id, split_message_id
from runtimed.model.outputs import shown_display_id
from runtimed.model.times import rfc3339
from runtimed.wire.journal import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.kernels.messages import Message
    from runtimed.kernels.prepare import Prepared
    from runtimed.kernels.state import RuntimeState
    from runtimed.recorder import Batch
    from runtimed.store.executions import ExecutionRow

BARRIER = "barrier."
FOREIGN_BARRIER = "barrier.foreign"
FAILED = frozenset(("error", "interrupted", "kernel_died", "lost"))


class Intake:
    """One runtime's intake. Owned by its actor.

    ``showing`` looks up which executions show an output under a display_id.
    """

    def __init__(
        self, state: RuntimeState, session: str, showing: Callable[[str], list[str]]
    ) -> None:
        self._state = state
        self._session = session
        self._showing = showing
        self._passed: set[str] = set()

    def take(self, prepared: Prepared, batch: Batch) -> list[Effect]:
        """Take one record in."""
        record = prepared.record
        at_ms = record.at_ns // 1_000_000
        batch.blobs += prepared.blobs
        if record.kind == Kind.SENT:
            self._sent(record.meta, at_ms, batch)
            return []
        if record.kind == Kind.EVENT:
            return self._event(record.meta, record.offset, at_ms, batch)
        if prepared.message is None:
            self._state.bad_messages += 1
            return []
        self._state.last_keepalive_ms = at_ms
        match record.meta.get("c"):
            case "iopub":
                self._state.is_heard = True
                return self._iopub(prepared.message, prepared, at_ms, batch)
            case "shell" | "control":
                return self._reply(prepared.message, at_ms, batch)
            case "stdin":
                return self._stdin(prepared.message, at_ms, batch)
        return []

    # What the keeper did and saw

    def _sent(self, meta: dict[str, Any], at_ms: int, batch: Batch) -> None:
        sent_id = str(meta.get("id", ""))
        if ".input." in sent_id:
            row = self._ours(sent_id.partition(".input.")[0])
            if row is not None and row.status == "waiting_input":
                row.input = None
                if row.stdin is not None:
                    row.progress = replace(row.progress, fed_chars=fed_line(row)[1])
                self._advance(row, Stimulus.INPUT_ANSWERED, at_ms, batch)
        elif (row := self._ours(sent_id.removesuffix(".setup"))) is not None:
            row.incarnation = meta.get("i")
            batch.changed[row.id] = row  # its setup is to be taken back, also if no more was sent
            if not sent_id.endswith(".setup"):
                self._state.posted = None
                self._advance(row, Stimulus.SENT, at_ms, batch)

    def _event(self, meta: dict[str, Any], offset: int, at_ms: int, batch: Batch) -> list[Effect]:
        row = self._state.row
        match meta.get("event"):
            case Event.SPAWNED:
                row.pid, row.start_time = meta["pid"], meta["start_time"]
                row.boot_id = meta["boot_id"]
                self.changed(batch, at_ms)
            case Event.CONNECTED:
                self._state.connection_told_at = offset
                row.incarnation = meta["incarnation"]
                self._state.is_connected = True
                self.changed(batch, at_ms)
                return [Connected(bool(meta.get("same_process")))]
            case Event.DISCONNECTED | Event.CONNECT_FAILED:
                self._state.connection_told_at = offset
                self._state.is_connected = False
                return [Disconnected(str(meta.get("reason", meta["event"])))]
            case Event.UNSENT:
                if (execution := self._ours(str(meta.get("id", "")))) is not None:
                    self._advance(execution, Stimulus.UNSENT, at_ms, batch)
            case Event.GAP:
                self.gap(meta, self._state.sent, at_ms, batch)
            case Event.EXITED:
                exit_ = {name: meta.get(name) for name in ("code", "signal", "reason")}
                return self.end_process(exit_, at_ms, batch, pid=meta.get("pid"))
        return []

    def gap(
        self, meta: dict[str, Any], execution: ExecutionRow | None, at_ms: int, batch: Batch
    ) -> None:
        """Note that something did not reach us, on the execution that ran if there was one."""
        gap = {
            "reason": str(meta.get("reason")),
            "from_at": _at(meta.get("from_ns")),
            "to_at": _at(meta.get("to_ns")),
            "count": meta.get("dropped"),
        }
        if execution is not None:
            execution.gap = gap
            batch.changed[execution.id] = execution
        execution_id = None if execution is None else execution.id
        batch.event("gap", self._state.row.id, execution_id, gap, at_ms)

    # What the kernel said

    def _iopub(
        self, message: Message, prepared: Prepared, at_ms: int, batch: Batch
    ) -> list[Effect]:
        parent = message.parent_id
        ours = split_message_id(parent) if message.parent_session == self._session else None
        for op in prepared.operations:
            self._show_again(op, None if ours is None else ours[0], at_ms, batch)
            if ours is not None:
                batch.event("output", self._state.row.id, ours[0], op, at_ms)
        row = self._ours(parent)
        if ours and row is not None and prepared.operations and row.status == "queued":
            # It prints, so it runs: what said so was missed.
            self._start(row, Stimulus.EXECUTING, None, at_ms, batch)
        match message.msg_type:
            case "status" if message.content.get("execution_state") == "idle":
                self._state.foreign.discard(parent)
                if row is not None:
                    return self._advance(row, Stimulus.IDLED, at_ms, batch)
                if parent.startswith(BARRIER):
                    return self._barrier(parent, "idle", at_ms, batch)
            case "status" if message.content.get("execution_state") == "busy" and row is not None:
                self._start(row, Stimulus.STARTED, None, at_ms, batch)
            case "execute_input":
                if row is not None:
                    count = message.content.get("execution_count")
                    self._start(row, Stimulus.EXECUTING, count, at_ms, batch)
                elif message.parent_session != self._session:
                    self._state.foreign.add(parent)
            case "error" if row is not None:
                ename = str(prepared.operations[0]["output"]["ename"])
                self._advance(row, Stimulus.ERROR_SHOWN, at_ms, batch, ename=ename)
        return []

    def _start(
        self, row: ExecutionRow, stimulus: Stimulus, count: Any, at_ms: int, batch: Batch
    ) -> None:
        if row.started_ms is None:
            row.started_ms = at_ms
        if _is_count(count):
            row.execution_count = count
        self._advance(row, stimulus, at_ms, batch, announce=_is_count(count))

    def _show_again(
        self, op: dict[str, Any], execution_id: str | None, at_ms: int, batch: Batch
    ) -> None:
        """Record what an output changes of those that other executions show under its display_id.

        ``execution_id`` is whose output it is; None is a foreign one.
        """
        display_id = shown_display_id(op)
        if display_id is None:
            return
        runtime_id = self._state.row.id
        noted = [e for _, d, e in batch.displays if d == display_id]
        source = op if op["op"] == "update" else op["output"]
        update = {
            "op": "update",
            "display_id": display_id,
            "data": source["data"],
            "metadata": source["metadata"],
        }
        if "buffers" in op:
            update["buffers"] = op["buffers"]
        for shown_in in sorted({*self._showing(display_id), *noted} - {execution_id}):
            batch.event("output", runtime_id, shown_in, update, at_ms)
        if op["op"] == "add" and execution_id is not None:
            batch.displays.append((runtime_id, display_id, execution_id))

    def _reply(self, message: Message, at_ms: int, batch: Batch) -> list[Effect]:
        if message.msg_type == "execute_reply":
            if (row := self._ours(message.parent_id)) is None:
                return []
            count = message.content.get("execution_count")
            if _is_count(count) and row.started_ms is not None:
                row.execution_count = count
            return self._advance(
                row,
                Stimulus.REPLIED,
                at_ms,
                batch,
                detail=str(message.content.get("status")),
                ename=_word(message.content.get("ename")),
            )
        if message.parent_id.startswith(BARRIER):
            return self._barrier(message.parent_id, "reply", at_ms, batch)
        return [Answered(message.msg_type, message.parent_id, message.content)]

    def _stdin(self, message: Message, at_ms: int, batch: Batch) -> list[Effect]:
        row = self._ours(message.parent_id)
        if row is None or message.msg_type != "input_request":
            return []
        row.input = {
            "prompt": str(message.content.get("prompt", "")),
            "password": bool(message.content.get("password")),
        }
        effects = self._advance(row, Stimulus.INPUT_REQUESTED, at_ms, batch)
        batch.event("input", self._state.row.id, row.id, row.input, at_ms)
        return [*effects, InputWanted(row)]

    def _barrier(self, parent: str, part: str, at_ms: int, batch: Batch) -> list[Effect]:
        """Both the barrier's reply and its idle came: nothing older can come any more."""
        self._passed.add(f"{part} {parent}")
        if not {f"reply {parent}", f"idle {parent}"} <= self._passed:
            return []
        self._passed -= {f"reply {parent}", f"idle {parent}"}
        if parent == FOREIGN_BARRIER:
            self._state.foreign -= self._state.doubtful
            return []
        row = self._ours(parent.removeprefix(BARRIER))
        if row is None:
            return []
        reason = "it ended while its connection was away; how is not known"
        return self._advance(row, Stimulus.BARRIER, at_ms, batch, detail=reason)

    # Executions

    def _ours(self, msg_id: str) -> ExecutionRow | None:
        """Return the open execution whose present attempt has this msg_id."""
        split = split_message_id(msg_id)
        if split is None:
            return None
        row = self._state.executions.get(split[0])
        return row if row is not None and row.progress.attempt == split[1] else None

    def _advance(
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
            before, stimulus, detail=detail, ename=ename, carry_over=row.carry_over
        )
        if after.attempt != before.attempt:
            row.started_ms = row.execution_count = None
        if after.is_final:
            return self.finish(row, at_ms, batch)
        if after is not before:
            batch.changed[row.id] = row
        if after.status != before.status or announce:
            batch.event("execution", row.runtime_id, row.id, execution_changes(row), at_ms)
        if (after.reply is None) == after.idle and stimulus in (Stimulus.REPLIED, Stimulus.IDLED):
            return [Unsettled(row)]
        return []

    def finish(self, row: ExecutionRow, at_ms: int, batch: Batch) -> list[Effect]:
        """Close a final execution; if it failed, what is queued of its group is cancelled."""
        row.ended_ms = at_ms
        row.input = None
        if row.progress.gap is not None and row.gap is None:
            row.gap = {"reason": row.progress.gap, "from_at": None, "to_at": None, "count": None}
        batch.changed[row.id] = row
        batch.event("execution", row.runtime_id, row.id, execution_changes(row), at_ms)
        self._state.executions.pop(row.id, None)
        self._state.settling.add(row.id)
        self._state.idle_since_ms = at_ms
        effects: list[Effect] = [Finished(row)]
        if row.status in FAILED and row.stop_on_error and row.group is not None:
            reason = f"{row.id} of its group ended as {row.status}"
            for other in list(self._state.executions.values()):
                if other.group == row.group:
                    effects += self.cancel(other, reason, at_ms, batch)
        return effects

    def end_process(
        self,
        exit_: dict[str, Any],
        at_ms: int,
        batch: Batch,
        *,
        reason: str | None = None,
        pid: int | None = None,
    ) -> list[Effect]:
        """Settle what a process leaves behind; unless it starts anew, so ends the runtime."""
        state, row = self._state, self._state.row
        state.is_connected = state.has_answered = state.is_heard = False
        state.foreign.clear()
        state.posted = None
        row.exit = exit_
        effects: list[Effect] = [Exited(exit_, pid)]
        if not state.is_starting:
            if reason is None:
                reason = "the kernel was restarted" if state.is_restarting else describe_exit(exit_)
            for execution in list(state.executions.values()):
                effects += self._advance(
                    execution, Stimulus.KERNEL_ENDED, at_ms, batch, detail=reason
                )
            batch.ended_displays.append(row.id)
            if not state.is_restarting:
                row.status, row.ended_ms, row.pid = "dead", at_ms, None
        self.changed(batch, at_ms)
        return effects

    def cancel(self, row: ExecutionRow, reason: str, at_ms: int, batch: Batch) -> list[Effect]:
        """Cancel an execution that is not dispatched; others stay as they are."""
        if self._state.is_dispatched(row):
            return []
        return self._advance(row, Stimulus.CANCEL, at_ms, batch, detail=reason)

    def note(self, row: ExecutionRow, stimulus: Stimulus, at_ms: int, batch: Batch) -> None:
        """Note something that was done about an execution, and ends nothing by itself."""
        self._advance(row, stimulus, at_ms, batch)

    def changed(self, batch: Batch, at_ms: int) -> None:
        """Store the runtime's row and announce its document."""
        row = self._state.row
        batch.runtimes[row.id] = row
        batch.event("runtime", row.id, None, runtime_document(row, self._state), at_ms)


def describe_exit(exit_: dict[str, Any]) -> str:
    """Say in words how a kernel's process ended."""
    if (number := exit_.get("signal")) is not None:
        # Real-time signals have no names of their own.
        names = {int(known): known.name for known in signal.Signals}
        return f"the kernel was ended by {names.get(number, f'signal {number}')}"
    if exit_.get("code") is not None:
        return f"the kernel exited with status {exit_['code']}"
    return "the kernel ended; how is not known"


def _is_count(value: object) -> bool:
    """Whether it is a number that the store can hold: kernels say what they like."""
    return type(value) is int and 0 <= value < 2**63


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _at(ns: Any) -> str | None:
    return rfc3339(ns // 1_000_000) if isinstance(ns, int) else None


def fed_line(row: ExecutionRow) -> tuple[str | None, int]:
    """Return the next line of its own stdin, None at the end, and where the one after it begins."""
    stdin, begin = row.stdin or "", row.progress.fed_chars
    if begin >= len(stdin):
        return None, begin
    end = stdin.find("\n", begin)
    return (stdin[begin:], len(stdin)) if end < 0 else (stdin[begin:end], end + 1)


def barrier_id(row: ExecutionRow) -> str:
    """Return the msg_id of the kernel_info_request that is a barrier behind the execution."""
    return BARRIER + message_id(row.id, row.progress.attempt)
