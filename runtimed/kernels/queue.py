"""A runtime's queue: one execution at a time goes to the kernel, the others wait here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import (
    ApiError,
    KeeperUnavailable,
    NotWaitingForInput,
    StaleInput,
    StoreUnavailable,
)
from runtimed.host import Step, passing
from runtimed.kernels import gaps, pyargs
from runtimed.kernels.clock import now_ms, steady_s
from runtimed.kernels.documents import execution_document
from runtimed.kernels.link import Refused
from runtimed.kernels.messages import execute_content
from runtimed.kernels.reasons import without_last_words
from runtimed.logs import about
from runtimed.model.execution import Stimulus
from runtimed.model.ids import message_id
from runtimed.recorder import Batch
from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.store.executions import ExecutionRow

log = logging.getLogger(__name__)

#: How soon a dispatch that the keeper could not make is tried again.
RETRY_S = 1.0
#: How an execution ends that its own code did not end.
NOT_BY_ITSELF = frozenset(("cancelled", "interrupted", "kernel_died", "lost"))
#: What ipykernel takes for the end of file (Ctrl-D on a terminal).
EOF = "\x04"


class Queue:
    """The executions of one runtime that are not final. Owned by its actor, and part of it."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._state = actor.state
        self._finals: dict[str, list[asyncio.Future[ExecutionRow]]] = {}
        self._answering: set[str] = set()

    def submit(self, *rows: ExecutionRow) -> None:
        """Queue executions, all or none: stored first, then dispatched.

        Raises `StoreUnavailable`.
        """
        batch = Batch(rows[0].queued_ms)
        for row in rows:
            batch.new.append(row)
            document = execution_document(row, self._actor.row)
            batch.event(
                "execution", row.runtime_id, row.id, document, row.queued_ms, row.cell_notebook
            )
        self._actor.parts.recorder.commit(batch)
        passing(Step.SUBMIT_COMMITTED)
        self._state.executions |= {row.id: row for row in rows}
        self.dispatch()

    def dispatch(self) -> None:
        """Send the next execution, if the kernel is free for one of ours."""
        state = self._state
        if (
            not (state.is_connected and state.has_answered)
            or self._actor.row.status not in ("alive", "unresponsive")
            or state.is_restarting
            or state.is_leaving
            or steady_s() < state.patient_until_s
            or state.foreign
            or state.in_flight is not None
            or self._actor.parts.link() is None
        ):
            return
        row = next(iter(state.executions.values()), None)
        if row is None:
            return
        if not state.is_shell_known:
            # What we joined may be busy with what we did not see begin: then ours waits here.
            self._ask_shell()
            return
        passing(Step.DISPATCH_UNWRITTEN)
        msg_id = message_id(row.id, row.progress.attempt)
        if (row.stdin is not None or row.argv is not None) and self._actor.row.language == "python":
            code = pyargs.setup_code(row.stdin, row.argv)
            self._actor.messenger.post(
                "shell",
                "execute_request",
                execute_content(code, silent=True),
                msg_id=f"{msg_id}.setup",
                send_id=f"{msg_id}.setup",
            )
        state.posted, state.delivered = row.id, None
        content = execute_content(row.code, silent=False)
        answer = self._actor.messenger.post(
            "shell", "execute_request", content, msg_id=msg_id, send_id=msg_id
        )
        passing(Step.DISPATCH_WRITTEN)
        answer.add_done_callback(lambda done: self._dispatched(row, done))

    def _ask_shell(self) -> None:
        """Ask the shell for a sign that it is free, once; again where the asking itself failed."""
        state = self._state
        if state.is_shell_asked:
            return
        state.is_shell_asked = True

        def asked(answer: asyncio.Future[dict[str, Any]]) -> None:
            error = None if answer.cancelled() else answer.exception()
            if error is not None:
                state.is_shell_asked = False
                self._cancel_for_room(next(iter(state.executions.values()), None), error)
                asyncio.get_running_loop().call_later(RETRY_S, self._actor.ring)

        try:
            self._actor.messenger.ask_kernel_info().add_done_callback(asked)
        except KeeperUnavailable:
            state.is_shell_asked = False  # the next keeper's connection asks

    def _dispatched(self, row: ExecutionRow, answer: asyncio.Future[dict[str, Any]]) -> None:
        if answer.cancelled():
            return
        if (error := answer.exception()) is None:
            # Else the journal has it, read or to be read.
            self._state.delivered = row.msg_id
            if answer.result().get("already"):
                self._take_for_sent(row)
            return
        log.info("it was not sent: %s", error, extra=about(self._actor.row.id, row.id))
        if isinstance(error, Refused):
            # Nothing was sent. A lost link is different: then only the journal can tell.
            if self._state.posted == row.id:
                self._state.posted = None
            self._cancel_for_room(row, error)
            asyncio.get_running_loop().call_later(RETRY_S, self._actor.ring)

    def _cancel_for_room(self, row: ExecutionRow | None, error: BaseException) -> None:
        """Cancel what the keeper has no room to send: whoever waits is told, and waits no more."""
        if row is None or not isinstance(error, Refused) or error.code != Refusal.NO_ROOM:
            return
        with contextlib.suppress(StoreUnavailable):  # it is tried again, and refused again
            self.cancel(row, error.message)

    def _take_for_sent(self, row: ExecutionRow) -> None:
        """Believe the keeper that it was sent before, where the journal does not tell.

        The part that told may be damaged, and all that the kernel said since: it may be over.
        """
        actor = self._actor
        if row.id not in self._state.executions or row.progress.is_dispatched:
            return
        row.incarnation, self._state.posted = actor.row.incarnation, None
        batch = Batch(now_ms())
        actor.intake.ledger.note(row, Stimulus.SENT, batch.now_ms, batch)
        with contextlib.suppress(StoreUnavailable):  # the next daemon is told the same
            actor.parts.recorder.commit(batch)
        actor.messenger.send_barrier(row)

    def cancel(self, row: ExecutionRow, reason: str) -> bool:
        """Cancel it if it is still queued, and say whether it was. Raises `StoreUnavailable`."""
        if row.id not in self._state.executions or self._state.is_dispatched(row):
            return False
        batch = Batch(now_ms())
        before, order = row.progress, dict(self._state.executions)
        effects = self._actor.intake.ledger.cancel(row, reason, batch.now_ms, batch)
        try:
            self._actor.parts.recorder.commit(batch)
        except StoreUnavailable:
            row.progress, row.ended_ms = before, None
            self._state.executions = order
            self._state.settling.discard(row.id)
            raise
        self._actor.act(effects)
        self._actor.ring()
        return True

    async def final(self, row: ExecutionRow) -> ExecutionRow:
        """Wait until the execution is final, or not to be waited for, and return it."""
        is_open = self._state.open_execution(row.id) is not None
        if not is_open and row.id not in self._state.settling:
            return row
        done: asyncio.Future[ExecutionRow] = asyncio.get_running_loop().create_future()
        waiting = self._finals.setdefault(row.id, [])
        waiting.append(done)
        try:
            return await done
        finally:
            waiting.remove(done)

    def let_go(self, row: ExecutionRow) -> None:
        """Have nobody wait any longer who waits for it now: they get it as it is."""
        for done in self._finals.pop(row.id, []):
            if not done.done():
                done.set_result(row)

    def fail(self, error: ApiError) -> None:
        """Tell all who wait that they wait in vain."""
        for waiting in self._finals.values():
            for done in waiting:
                if not done.done():
                    done.set_exception(error)

    def finished(self, row: ExecutionRow) -> None:
        """Tell who waits for it; called once it is committed as final."""
        self._state.settling.discard(row.id)
        if row.status in NOT_BY_ITSELF:
            why = without_last_words(row.progress.reason or "asked for")
            log.info(
                "the execution ended as %s: %s",
                row.status,
                why,
                extra=about(row.runtime_id, row.id),
            )
        for done in self._finals.pop(row.id, []):
            if not done.done():
                done.set_result(row)
        if (
            (row.stdin is not None or row.argv is not None)
            and row.incarnation is not None  # its setup was sent
            and self._actor.row.language == "python"
            and self._state.is_connected
        ):
            msg_id = f"{message_id(row.id, row.progress.attempt)}.teardown"
            self._actor.messenger.try_post(
                "shell",
                "execute_request",
                execute_content(pyargs.teardown_code(), silent=True),
                msg_id=msg_id,
                send_id=msg_id,
            )

    def _may_ask(self, row: ExecutionRow) -> bool:
        """Whether it asks, or may have asked while no keeper was there to hear it."""
        missed = row.id == self._state.may_have_asked
        missed = missed or gaps.has_reason(row.gap, "keeper_down")
        return row.input is not None or (row.status == "running" and missed)

    async def answer_input(self, row: ExecutionRow, value: str, request: str | None = None) -> None:
        """Answer an input request, the one that is named or any, once.

        Raises `NotWaitingForInput`, `StaleInput` or `KeeperUnavailable`.
        """
        if request is not None and row.input is not None and row.input.get("request") != request:
            raise StaleInput(execution=row.id, status=row.status)
        number = row.progress.inputs
        send_id = _input_id(row)
        if row.input is None:
            send_id += ".unasked"
        secret = row.input is None or row.input["password"]
        if (
            not self._may_ask(row)
            or (request is not None and row.input is None)
            or row.id not in self._state.executions
            or send_id in self._answering  # somebody else was first
        ):
            raise NotWaitingForInput(execution=row.id, status=row.status)
        self._answering.add(send_id)
        posts = 0

        def post() -> asyncio.Future[dict[str, Any]]:
            nonlocal posts
            posts += 1
            content = {"status": "ok", "value": value}
            return self._actor.messenger.post(
                "stdin", "input_reply", content, msg_id=send_id, send_id=send_id, secret=secret
            )

        try:
            answer = await self._actor.ask(post, needs_connection=True)
            await self._actor.until(
                lambda: row.progress.inputs != number or row.status != "waiting_input"
            )
        except Refused as error:
            raise KeeperUnavailable(detail=str(error)) from error
        finally:
            self._answering.discard(send_id)
        if answer.get("already") and posts == 1:  # else it was ours, and a keeper that has gone
            raise NotWaitingForInput(execution=row.id, status=row.status)

    def feed(self, row: ExecutionRow) -> None:
        """Answer its input request, if it has one, from the text that came with the execution.

        A line is used up when the journal says that it was sent: until then this may be called
        again.
        """
        if row.stdin is None or row.input is None:
            return
        line, _ = row.next_line()
        send_id = _input_id(row)
        self._actor.messenger.try_post(
            "stdin",
            "input_reply",
            {"status": "ok", "value": EOF if line is None else line},
            msg_id=send_id,
            send_id=send_id,
            secret=row.input["password"],
        )


def _input_id(row: ExecutionRow) -> str:
    """Return the id of the answer to the execution's latest input request."""
    return f"{message_id(row.id, row.progress.attempt)}.input.{row.progress.inputs}"
