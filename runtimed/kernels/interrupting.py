"""Interrupt what a kernel executes, and see whether it ends.

An interrupt is for one execution and no other, and the keeper delivers it only while that runs.

The keeper knows of an end when the kernel's idle status has reached it, and what is published late
(ipykernel has a thread for it) is late most of all where the next execution, another client's,
keeps the kernel at work: the signal would hit that. What a kernel publishes goes through one queue.
So before a kernel that others use is interrupted, it is asked who it is, on control, beside what it
executes: once the busy status of that is here, so is the idle status of whatever ended before.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Literal

from runtimed.api.errors import CannotInterrupt, StoreUnavailable
from runtimed.kernels.clock import now_ms
from runtimed.kernels.implementations import dies_of_sigint
from runtimed.kernels.link import Refused
from runtimed.model.execution import Stimulus
from runtimed.model.times import rfc3339
from runtimed.recorder import Batch
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.store.executions import ExecutionRow

Rung = Literal["signal", "message", "cancelled", "none"]
#: Seconds for a dispatched execution to be seen to begin, before it is interrupted all the same.
BEGIN_S = 1.0
#: Seconds within which one interrupt of an execution serves all who ask for it.
SERVES_S = 0.5
#: Seconds after which a kernel that was interrupted, and goes on, is given a nudge.
NUDGE_S = 0.25
#: Seconds for a shared kernel to answer on control, before it is taken at its last word: some have
#: one thread for everything.
SILENT_S = 0.5
#: The same of ipykernel, which does not send the answer before it has published what it has to say.
#: Where C code holds the interpreter lock none comes, and no interrupt would reach that sooner.
IPYKERNEL_SILENT_S = 3.0
#: Seconds for the status of what it has answered to come through its queue.
QUEUE_S = 5.0
#: Seconds for an execution that was sent to be seen to begin, before that is an error.
SENT_S = 5.0
_NOT_BEGUN = (
    "it is at the kernel, which has not said that it began; force interrupts what the kernel is at"
)


async def interrupt(actor: Actor, row: ExecutionRow, *, force: bool = False) -> Rung:
    """Interrupt this execution: running, by a signal or message; queued, by cancelling it.

    Who asks while another interrupt of it is being delivered, or half a second later, gets that
    one's outcome if it was delivered; else it is tried again. ``force`` is for a kernel that dies
    of it, and for one that does not say what it is at: C code may keep it from that.
    Raises `CannotInterrupt` or `KeeperUnavailable`.
    """
    while actor.state.open_execution(row.id) is not None:
        if actor.queue.cancel(row, "it was cancelled"):
            return "cancelled"
        _check(actor, force=force)
        await _begins(actor, row)
        before = row.progress
        async with actor.interrupting:
            if _was_just_interrupted(actor, row) or await _deliver_marked(
                actor, row, is_blind=force and _is_silent(actor, row)
            ):
                return _how(actor)
        # Sent, and not begun yet: the interrupt is for this execution and for no other.
        try:
            async with asyncio.timeout(SENT_S):
                await actor.until(lambda: row.progress != before)  # noqa: B023
        except TimeoutError:
            raise CannotInterrupt(runtime=actor.row.name, reason=_NOT_BEGUN) from None
    return "none"


async def ends(actor: Actor, row: ExecutionRow, wait_s: float, *, force: bool = False) -> bool:
    """Say whether an interrupted execution is seen to end within the time.

    One that was not seen to begin may have been interrupted too early; it is tried once more. Any
    other is not: code that cleans up after the first interrupt would be hit by the second.
    Raises `CannotInterrupt` or `KeeperUnavailable`.
    """
    nudge_s = min(NUDGE_S, wait_s)
    if await _is_final_within(actor, row, nudge_s):
        return True
    _nudge(actor)
    rest_s = wait_s - nudge_s
    if not row.progress.executing:
        if await _is_final_within(actor, row, rest_s / 2):
            return True
        rest_s /= 2
        if not row.progress.executing:
            await interrupt(actor, row, force=force)
    return await _is_final_within(actor, row, rest_s)


async def _is_final_within(actor: Actor, row: ExecutionRow, wait_s: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await actor.queue.final(row)
    return row.progress.is_final


def _nudge(actor: Actor) -> None:
    """Have ipykernel's event loop turn: one that waits (``await``) does not see the signal else.

    Its handler cancels what is awaited, which the loop looks at when something else wakes it.
    """
    if actor.row.launch.get("implementation") == "ipython":
        actor.messenger.try_kernel_info()


async def interrupt_unrecorded(actor: Actor, wait_s: float, *, force: bool) -> tuple[Rung, bool]:
    """Interrupt what runs and is no execution of ours to name, and say whether it ended.

    That is what others run while nothing of it is recorded, or began before we joined.
    Raises `CannotInterrupt` or `KeeperUnavailable`.
    """
    state = actor.state
    msg_id = next(iter(state.foreign), None)
    if msg_id is None and state.activity == "idle":
        return "none", True
    _check(actor, force=force)
    if msg_id is None and not force:
        reason = "it was joined in the middle, and nothing was seen to run in it since"
        raise CannotInterrupt(runtime=actor.row.name, reason=reason)
    if msg_id is not None:
        await _heard_out(actor)
    if not await _deliver(actor, msg_id):
        return "none", True
    if msg_id is None:
        return _how(actor), False
    try:
        async with asyncio.timeout(wait_s):
            await actor.until(lambda: msg_id not in state.foreign)
    except TimeoutError:
        return _how(actor), False
    return _how(actor), True


def _check(actor: Actor, *, force: bool) -> None:
    """Raise `CannotInterrupt` where the kernel itself would end, unless that is accepted."""
    if not force and _how(actor) == "signal" and dies_of_sigint(actor.row):
        reason = "SIGINT ends this kernel; force sends it all the same"
        raise CannotInterrupt(runtime=actor.row.name, reason=reason)


def _how(actor: Actor) -> Literal["signal", "message"]:
    return "message" if actor.row.launch.get("interrupt_mode") == "message" else "signal"


def _was_just_interrupted(actor: Actor, row: ExecutionRow) -> bool:
    """Whether one was delivered to it: another could hit the kernel's own machinery."""
    last = actor.interrupted
    return last is not None and last[0] == row.id and time.monotonic() - last[1] < SERVES_S


async def _begins(actor: Actor, row: ExecutionRow) -> None:
    """Wait until the kernel has repeated the code: one that is busy may not be at it yet.

    An interrupt in between is swallowed by the kernel's own machinery. Not every kernel repeats
    the code, so the wait is short.
    """
    try:
        async with asyncio.timeout(BEGIN_S):
            await actor.until(lambda: row.progress.executing or row.progress.is_final)
    except TimeoutError:
        pass


def _is_silent(actor: Actor, row: ExecutionRow) -> bool:
    """Whether it is at the kernel, which does not say what it is at: nothing else is known to run.

    Another client's request may be there as well, so it takes somebody's word to interrupt it.
    """
    return actor.state.is_at_kernel(row) and not actor.state.foreign


async def _deliver_marked(actor: Actor, row: ExecutionRow, *, is_blind: bool) -> bool:
    """Deliver it, with a mark on the execution first: not every kernel says what ended it.

    Its end may be read before the keeper's answer, so the mark is made before, and taken back
    where nothing was delivered.
    """
    if not is_blind:
        await _heard_out(actor)
    is_first = not row.progress.interrupted
    is_delivered = False
    if is_first:
        _note(actor, row, Stimulus.INTERRUPTED)
    try:
        is_delivered = await _deliver(actor, None if is_blind else row.msg_id)
    finally:
        if is_delivered:
            actor.interrupted = (row.id, time.monotonic())
            if dies_of_sigint(actor.row):
                actor.state.signalled = int(signal.SIGINT)
        elif is_first:
            _note(actor, row, Stimulus.UNINTERRUPTED)
    return is_delivered


async def _heard_out(actor: Actor) -> None:
    """Hear all that a kernel that others use has published until now, if it lets us.

    What has ended before this is known to have ended, to the keeper too.
    """
    state = actor.state
    if not state.is_shared:
        return
    proof = actor.messenger.ask_for_proof()

    def is_answered() -> bool:
        return is_heard() or state.proof_answered == proof

    def is_heard() -> bool:
        return state.proof_heard == proof or not state.is_connected

    is_ipykernel = actor.row.launch.get("implementation") == "ipython"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IPYKERNEL_SILENT_S if is_ipykernel else SILENT_S):
            await actor.until(is_answered)
        async with asyncio.timeout(QUEUE_S):
            await actor.until(is_heard)


def _note(actor: Actor, row: ExecutionRow, stimulus: Stimulus) -> None:
    batch = Batch(now_ms())
    actor.intake.ledger.note(row, stimulus, batch.now_ms, batch)
    # A full disk must not keep anyone from ending what fills it: the next commit has it.
    with contextlib.suppress(StoreUnavailable):
        actor.parts.recorder.commit(batch)


async def _deliver(actor: Actor, msg_id: str | None) -> bool:
    """Have the keeper deliver it, and say whether it was: only if this request is running.

    Without a msg_id it is delivered whatever runs. Raises `CannotInterrupt` or
    `KeeperUnavailable`.
    """
    by_message = _how(actor) == "message"
    frames = []
    if by_message:
        frames = actor.messenger.signer.build(
            "interrupt_request", {}, msg_id=f"interrupt.{now_ms()}", date=rfc3339(now_ms()) or ""
        )
    try:
        # Twice only if a keeper dies between doing it and saying so. Not before the next one is
        # connected: what the kernel answers to the interrupted request would go nowhere.
        answer = await actor.ask(
            lambda: actor.messenger.request(
                Op.INTERRUPT,
                frames,
                incarnation=actor.row.incarnation,
                parent=msg_id,
                signal=None if by_message else int(signal.SIGINT),
            ),
            needs_connection=True,
        )
    except Refused as refusal:
        raise CannotInterrupt(runtime=actor.row.name, reason=str(refusal)) from refusal
    if answer.get("delivered"):
        return True
    if answer.get("reason") == "not_running":
        return False
    raise CannotInterrupt(runtime=actor.row.name, reason=str(answer.get("reason")))
