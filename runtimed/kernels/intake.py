"""Take journal records in: what each one changes, and what is to be done about it.

The intake decides and does nothing else: it changes the runtime's state, fills a batch for the
recorder, and returns effects for the actor to act on once the batch is committed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtimed.kernels import gaps
from runtimed.kernels.displays import Displays
from runtimed.kernels.documents import runtime_document
from runtimed.kernels.effects import Answered, Connected, Disconnected, Effect, Exited, InputWanted
from runtimed.kernels.foreign import EXECUTION, Foreign
from runtimed.kernels.ledger import Ledger
from runtimed.kernels.losses import Losses
from runtimed.kernels.numbering import Numbering
from runtimed.kernels.reasons import describe_end, exit_of
from runtimed.model.execution import Stimulus
from runtimed.model.ids import is_our_request, message_id, split_message_id
from runtimed.model.times import rfc3339
from runtimed.recorder import LookUp
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
PROOF = "proof."
#: Behind these the numbers of the messages do not continue those before.
_BREAKS = frozenset(
    (
        *(Event.CONNECTED, Event.DISCONNECTED, Event.CONNECT_FAILED, Event.EXITED),
        *(Event.GAP, Event.RECORDING),
    )
)


class Intake:
    """One runtime's intake. Owned by its actor.

    ``showing`` looks up which executions show an output under a display_id, ``stored`` the id of
    another client's execution that has ended, ``last_words`` what the process wrote to stderr.
    """

    def __init__(
        self,
        state: RuntimeState,
        session: str,
        showing: Callable[[str], list[str]],
        stored: Callable[[str], str | None],
        last_words: Callable[[], list[str]] = list,
    ) -> None:
        self._state = state
        self._session = session
        self._displays = Displays(state.row.id, showing)
        self._foreign = Foreign(state, stored)
        self.ledger = Ledger(state, self._foreign.note_end)
        self._last_words = last_words
        self._numbering = Numbering()
        self._losses = Losses(state)
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
            self._numbering = Numbering()  # its number is not known
            return self._bad(prepared.bad, at_ms, batch)
        self._state.hear(at_ms)
        channel, numbers = record.meta.get("c"), self._numbering
        message = prepared.message
        hear = numbers.hear if channel == "iopub" else numbers.hear_elsewhere
        if (dropped := hear(message.msg_id, message.msg_type)) or self._losses.unsaid:
            self._losses.add(dropped, message, at_ms, batch)
        match channel:
            case "iopub":
                self._state.is_heard = True
                return self._iopub(message, prepared, at_ms, batch)
            case "shell" | "control":
                return self._reply(channel, message, at_ms, batch)
            case "stdin":
                return self._stdin(message, at_ms, batch)
        return []

    def _bad(self, why: str | None, at_ms: int, batch: Batch) -> list[Effect]:
        self._state.bad_messages += 1
        if self._state.bad_messages == 1:
            self._state.row.notices.append(f"something that it said is not shown: {why}")
            self.changed(batch, at_ms)
        return []

    # What the keeper did and saw

    def _sent(self, meta: dict[str, Any], at_ms: int, batch: Batch) -> None:
        sent_id = str(meta.get("id", ""))
        if ".input." in sent_id:
            row = self.ledger.ours(sent_id.partition(".input.")[0])
            if row is not None and row.status == "waiting_input":
                row.input = None
                if row.stdin is not None:
                    row.progress = replace(row.progress, fed_chars=row.next_line()[1])
                self.ledger.advance(row, Stimulus.INPUT_ANSWERED, at_ms, batch)
        elif (row := self.ledger.ours(sent_id.removesuffix(".setup"))) is not None:
            row.incarnation = meta.get("i")
            batch.changed[row.id] = row  # its setup is to be taken back, also if no more was sent
            if not sent_id.endswith(".setup"):
                self._state.posted = None
                self.ledger.advance(row, Stimulus.SENT, at_ms, batch)

    def _event(self, meta: dict[str, Any], offset: int, at_ms: int, batch: Batch) -> list[Effect]:
        row = self._state.row
        if meta.get("event") in _BREAKS and meta.get("reason") != "keeper_succeeded":
            self._numbering = Numbering()
            self._losses.say(at_ms, batch)
        match meta.get("event"):
            case Event.SPAWNED:
                row.pid, row.start_time = meta["pid"], meta["start_time"]
                row.boot_id = meta["boot_id"]
                row.launch["scope"] = meta.get("scope")
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
                self._state.lost_incarnation = meta.get("incarnation")
                return [Disconnected(str(meta.get("reason", meta["event"])))]
            case Event.UNSENT:
                if (execution := self.ledger.ours(str(meta.get("id", "")))) is not None:
                    self.ledger.advance(execution, Stimulus.UNSENT, at_ms, batch)
            case Event.RECORDING:
                self._losses.is_uncertain = meta.get("record") == "off"
            case Event.GAP:
                heard_of = self._state.sent or self._state.newest_foreign
                self.gap(meta, heard_of, at_ms, batch)
            case Event.EXITED:
                process = {"pid": meta.get("pid"), "scope": meta.get("scope")}
                return self.end_process(exit_of(meta), at_ms, batch, **process)
        return []

    def gap(
        self, meta: dict[str, Any], execution: ExecutionRow | None, at_ms: int, batch: Batch
    ) -> None:
        """Note that something did not reach us, on the execution that ran if there was one."""
        loss = gaps.loss(
            str(meta.get("reason")),
            from_at=_at(meta.get("from_ns")),
            to_at=_at(meta.get("to_ns")),
            count=meta.get("dropped"),
        )
        if execution is not None:
            execution.gap = gaps.joined(execution.gap, loss)
            batch.changed[execution.id] = execution
        execution_id, notebook = None, None
        if execution is not None:
            execution_id, notebook = execution.id, execution.cell_notebook
        batch.event("gap", self._state.row.id, execution_id, loss, at_ms, notebook)

    # What the kernel said

    def _iopub(
        self, message: Message, prepared: Prepared, at_ms: int, batch: Batch
    ) -> list[Effect]:
        if message.parent_id.startswith(PROOF) and self._is_ours(message):
            self._state.proof_heard = message.parent_id
        row, execution_id = self._whose(message, prepared, at_ms, batch)
        # Of what has ended only the id is at hand: threads print on.
        notebook = LookUp.BY_EXECUTION if row is None else row.cell_notebook
        for op in prepared.operations:
            self._displays.show_again(op, execution_id, at_ms, batch)
            if execution_id is not None:
                batch.event("output", self._state.row.id, execution_id, op, at_ms, notebook)
        if row is not None and prepared.output_bytes:
            self._state.note_output(row.id, prepared.output_bytes)
        if row is not None and prepared.operations and row.status == "queued":
            # It prints, so it runs: what said so was missed.
            self._start(row, Stimulus.EXECUTING, None, at_ms, batch)
        match message.msg_type:
            case "status" if message.content.get("execution_state") == "idle":
                return self._idle(message, row, at_ms, batch)
            case "status" if message.content.get("execution_state") == "busy":
                if row is not None:
                    self._start(row, Stimulus.STARTED, None, at_ms, batch)
                elif message.parent_type == EXECUTION and not self._is_ours(message):
                    self._state.is_shared = True
                    self._state.foreign.add(message.parent_id)
            case "shutdown_reply":
                self._state.is_leaving = True  # what would be sent now, would be lost
            case "execute_input" if row is not None:
                count = message.content.get("execution_count")
                self._start(row, Stimulus.EXECUTING, count, at_ms, batch)
            case "error" if row is not None:
                # Of a redacted one nothing but its type is left.
                shown = prepared.operations[0]["output"] if prepared.operations else {}
                ename = str(shown.get("ename", ""))
                self.ledger.advance(row, Stimulus.ERROR_SHOWN, at_ms, batch, ename=ename)
        return []

    def _is_ours(self, message: Message) -> bool:
        return message.parent_session == self._session and is_our_request(message.parent_id)

    def _whose(
        self, message: Message, prepared: Prepared, at_ms: int, batch: Batch
    ) -> tuple[ExecutionRow | None, str | None]:
        """Return the open execution that a message belongs to, and the id that its output has."""
        if not self._is_ours(message):
            return self._foreign.whose(message, at_ms, batch, has_output=bool(prepared.operations))
        if (split := split_message_id(message.parent_id)) is not None:
            return self.ledger.ours(message.parent_id), split[0]
        # Our other requests print nothing: it is a thread, begun by what ran before them.
        last = self._state.last_begun
        return None, None if last is None or message.msg_type == "error" else last.id

    def _idle(
        self, message: Message, row: ExecutionRow | None, at_ms: int, batch: Batch
    ) -> list[Effect]:
        parent = message.parent_id
        self._state.foreign.discard(parent)
        if message.parent_type == EXECUTION and message.parent_subshell is None:
            self._state.is_shell_known = True
        if row is not None and row.origin is not None:
            return self.ledger.advance(row, Stimulus.OTHERS_IDLED, at_ms, batch)
        if row is not None:
            return self.ledger.advance(row, Stimulus.IDLED, at_ms, batch)
        if parent.startswith(BARRIER):
            return self._barrier(parent, "idle", at_ms, batch)
        return []

    def _start(
        self, row: ExecutionRow, stimulus: Stimulus, count: Any, at_ms: int, batch: Batch
    ) -> None:
        self._state.last_begun = row
        if row.started_ms is None:
            row.started_ms = at_ms
        if _is_count(count):
            row.execution_count = count
            self._count_missed(count, at_ms, batch)
        self.ledger.advance(row, stimulus, at_ms, batch, announce=_is_count(count))

    def _count_missed(self, count: int, at_ms: int, batch: Batch) -> None:
        """Say how many executions a process had before the first that was seen of it."""
        if self._state.is_fresh and count > 1:
            missed = {"reason": "joined_late", "dropped": count - 1}
            self.gap(missed, None, at_ms, batch)
        self._state.is_fresh = False

    def _reply(self, channel: str, message: Message, at_ms: int, batch: Batch) -> list[Effect]:
        if message.msg_type == "execute_reply":
            if (row := self.ledger.ours(message.parent_id)) is None:
                return [Answered(message.msg_type, message.parent_id, message.content)]
            count = message.content.get("execution_count")
            if _is_count(count) and row.started_ms is not None:
                row.execution_count = count
            return self.ledger.advance(
                row,
                Stimulus.REPLIED,
                at_ms,
                batch,
                detail=str(message.content.get("status")),
                ename=_word(message.content.get("ename")),
            )
        if message.parent_id.startswith(BARRIER):
            return self._barrier(message.parent_id, "reply", at_ms, batch)
        if message.parent_id.startswith(PROOF):
            self._state.proof_answered = message.parent_id
            return []
        self._state.is_shell_known |= channel == "shell"
        return [Answered(message.msg_type, message.parent_id, message.content)]

    def _stdin(self, message: Message, at_ms: int, batch: Batch) -> list[Effect]:
        row = self.ledger.ours(message.parent_id)
        if row is None or message.msg_type != "input_request":
            return []
        row.input = {
            "prompt": str(message.content.get("prompt", "")),
            "password": bool(message.content.get("password")),
            "request": str(row.progress.inputs + 1),
        }
        effects = self.ledger.advance(row, Stimulus.INPUT_REQUESTED, at_ms, batch)
        batch.event("input", row.runtime_id, row.id, row.input, at_ms, row.cell_notebook)
        return [*effects, InputWanted(row)]

    def _barrier(self, parent: str, part: str, at_ms: int, batch: Batch) -> list[Effect]:
        """Both the barrier's reply and its idle came: nothing older can come any more."""
        self._passed.add(f"{part} {parent}")
        if not {f"reply {parent}", f"idle {parent}"} <= self._passed:
            return []
        self._passed -= {f"reply {parent}", f"idle {parent}"}
        reason = "it ended while its connection was away; how is not known"
        if parent == FOREIGN_BARRIER:
            return self._end_doubtful(reason, at_ms, batch)
        row = self.ledger.ours(parent.removeprefix(BARRIER))
        if row is None:
            return []
        return self.ledger.advance(row, Stimulus.BARRIER, at_ms, batch, detail=reason)

    def _end_doubtful(self, reason: str, at_ms: int, batch: Batch) -> list[Effect]:
        state, effects = self._state, list[Effect]()
        for row in list(state.foreign_open.values()):
            if row.msg_id in state.doubtful:
                effects += self.ledger.advance(row, Stimulus.BARRIER, at_ms, batch, detail=reason)
        state.foreign -= state.doubtful
        return effects

    # Executions

    def end_process(
        self,
        exit_: dict[str, Any],
        at_ms: int,
        batch: Batch,
        *,
        reason: str | None = None,
        pid: int | None = None,
        scope: str | None = None,
    ) -> list[Effect]:
        """Settle what a process leaves behind; unless it starts anew, so ends the runtime."""
        state, row = self._state, self._state.row
        self._losses.say(at_ms, batch)
        if exit_.get("reason") == "unknown" or state.is_idle_stopped:
            exit_ = self._known_exit(exit_)
        state.is_connected = state.has_answered = state.is_heard = state.is_shell_known = False
        state.is_leaving, state.unheard = False, 0
        state.foreign.clear()
        state.posted = state.delivered = state.signalled = None
        row.exit = exit_ = {**exit_, "stderr": [] if state.is_stopping else self._last_words()}
        effects: list[Effect] = [Exited(exit_, pid, scope)]
        if not state.is_starting:
            if reason is None:
                reason = "the kernel was restarted" if state.is_restarting else describe_end(exit_)
            for execution in [*state.foreign_open.values(), *state.executions.values()]:
                effects += self.ledger.advance(
                    execution, Stimulus.KERNEL_ENDED, at_ms, batch, detail=reason
                )
            batch.ended_displays.append(row.id)
            if not state.is_restarting:
                row.status, row.ended_ms, row.pid = "dead", at_ms, None
        self.changed(batch, at_ms)
        return effects

    def _known_exit(self, exit_: dict[str, Any]) -> dict[str, Any]:
        """Return how a process ended that is idle, or not our child: by what was done to it."""
        if self._state.is_idle_stopped:
            return {**exit_, "reason": "idle"}
        if self._state.signalled is not None:
            return {**exit_, "signal": self._state.signalled, "reason": "signal"}
        if self._state.is_stopping or self._state.is_leaving:
            return {**exit_, "reason": "shutdown_request"}
        return exit_

    def changed(self, batch: Batch, at_ms: int) -> None:
        """Store the runtime's row and announce its document."""
        row = self._state.row
        batch.runtimes[row.id] = row
        batch.event("runtime", row.id, None, runtime_document(row, self._state), at_ms)


def _is_count(value: object) -> bool:
    """Whether it is a number that the store can hold: kernels say what they like."""
    return type(value) is int and 0 <= value < 2**63


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _at(ns: Any) -> str | None:
    return rfc3339(ns // 1_000_000) if isinstance(ns, int) else None


def barrier_id(row: ExecutionRow) -> str:
    """Return the msg_id of the kernel_info_request that is a barrier behind the execution."""
    return BARRIER + message_id(row.id, row.progress.attempt)
