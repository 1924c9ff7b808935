"""End, restart and interrupt a kernel, and say which rung did it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Literal

from runtimed.api.errors import CannotInterrupt, KeeperUnavailable, StoreUnavailable
from runtimed.kernels.clock import now_ms
from runtimed.kernels.link import Refused
from runtimed.model.execution import Stimulus
from runtimed.model.ids import message_id
from runtimed.model.times import rfc3339
from runtimed.recorder import Batch
from runtimed.wire.link import Op, Refusal

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.store.executions import ExecutionRow

#: Seconds for a dispatched execution to be seen to begin, before it is interrupted all the same.
BEGIN_S = 1.0
#: Seconds within which one interrupt of an execution serves all who ask for it.
INTERRUPT_S = 0.5
#: Seconds for a process to be gone after SIGKILL.
KILL_S = 10.0


async def stop(actor: Actor, grace_s: float) -> str:
    """Ask it to shut down, then SIGTERM, then SIGKILL; return the one that worked.

    Raises `KeeperUnavailable`.
    """
    if actor.row.status == "starting" and not actor.state.is_restarting:
        return await kill(actor)  # there is nobody to be gentle with
    exits = actor.exits
    actor.state.is_stopping = not actor.state.is_restarting
    if actor.state.is_connected:
        content = {"restart": actor.state.is_restarting}
        with contextlib.suppress(Refused):
            msg_id = f"shutdown.{now_ms()}"
            await actor.ask(
                lambda: actor.messenger.post("control", "shutdown_request", content, msg_id=msg_id),
                needs_connection=True,
            )
            if await _ends(actor, exits, grace_s):
                await _settles(actor)
                return "shutdown_request"
    for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_S)):
        await _signal(actor, number)
        if await _ends(actor, exits, seconds):
            await _settles(actor)
            return number.name
    raise KeeperUnavailable(detail=f"pid {actor.row.pid} was not seen to end after SIGKILL")


async def kill(actor: Actor) -> str:
    """Kill the kernel and all processes below it, at once. Raises `KeeperUnavailable`."""
    exits = actor.exits
    actor.state.is_stopping = True
    await _signal(actor, signal.SIGKILL)
    if not await _ends(actor, exits, KILL_S):
        raise KeeperUnavailable(detail=f"pid {actor.row.pid} was not seen to end after SIGKILL")
    await _settles(actor)
    return "SIGKILL"


async def _settles(actor: Actor) -> None:
    """Wait until a start that this has ended has given up: then the runtime is dead."""
    if not actor.state.is_restarting:
        await actor.until(lambda: actor.row.status == "dead")


async def _signal(actor: Actor, number: signal.Signals) -> None:
    try:
        await actor.ask(lambda: actor.messenger.request(Op.SIGNAL, signum=int(number), tree=True))
    except Refused as refusal:
        if refusal.code != Refusal.UNKNOWN_RUNTIME or actor.row.status != "starting":
            raise KeeperUnavailable(detail=str(refusal)) from refusal
        # It has no process yet; its start sees that it is not wanted any more.


async def _ends(actor: Actor, exits: int, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await actor.until(lambda: actor.exits != exits or actor.row.status == "dead")
    except TimeoutError:
        return False
    return True


async def interrupt(
    actor: Actor, row: ExecutionRow
) -> Literal["signal", "message", "cancelled", "none"]:
    """Interrupt this execution: running, by a signal or message; queued, by cancelling it.

    Who asks while another interrupt of it is being delivered, or half a second later, gets that
    one's outcome if it was delivered; else it is tried again.
    Raises `CannotInterrupt` or `KeeperUnavailable`.
    """
    while row.id in actor.state.executions:
        if actor.queue.cancel(row, "it was cancelled"):
            return "cancelled"
        await _begins(actor, row)
        before = row.progress
        async with actor.interrupting:
            if _was_just_interrupted(actor, row) or await _deliver(actor, row):
                return _how(actor)
        # Sent, and not begun yet: the interrupt is for this execution and for no other.
        try:
            async with asyncio.timeout(KILL_S):
                await actor.until(lambda: row.progress != before)  # noqa: B023
        except TimeoutError:
            reason = "it was sent to the kernel, and not seen to begin"
            raise CannotInterrupt(runtime=actor.row.name, reason=reason) from None
    return "none"


def _how(actor: Actor) -> Literal["signal", "message"]:
    return "message" if actor.row.launch.get("interrupt_mode") == "message" else "signal"


def _was_just_interrupted(actor: Actor, row: ExecutionRow) -> bool:
    """Whether one was delivered to it: another could hit the kernel's own machinery."""
    last = actor.interrupted
    return last is not None and last[0] == row.id and time.monotonic() - last[1] < INTERRUPT_S


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


async def _deliver(actor: Actor, row: ExecutionRow) -> bool:
    """Have it delivered and noted, or neither; say whether it was.

    What ends an execution that was interrupted is the interrupt: not every kernel says so. The
    end may be read before the keeper's answer, so the note is made before, and taken back.
    """
    is_first = not row.progress.interrupted
    is_delivered = False
    if is_first:
        _note(actor, row, Stimulus.INTERRUPTED)
    try:
        is_delivered = await _send_interrupt(actor, row)
    finally:
        if is_delivered:
            actor.interrupted = (row.id, time.monotonic())
        elif is_first:
            _note(actor, row, Stimulus.UNINTERRUPTED)
    return is_delivered


async def _send_interrupt(actor: Actor, row: ExecutionRow) -> bool:
    """Have the keeper deliver it, and say whether it was: only if this execution is running."""
    by_message = _how(actor) == "message"
    frames = []
    if by_message:
        msg_id = f"interrupt.{now_ms()}"
        frames = actor.messenger.signer.build(
            "interrupt_request", {}, msg_id=msg_id, date=rfc3339(now_ms()) or ""
        )
    try:
        # Twice only if a keeper dies between doing it and saying so.
        answer = await actor.ask(
            lambda: actor.messenger.request(
                Op.INTERRUPT,
                frames,
                incarnation=actor.row.incarnation,
                parent=message_id(row.id, row.progress.attempt),
                signal=None if by_message else int(signal.SIGINT),
            )
        )
    except Refused as refusal:
        raise CannotInterrupt(runtime=actor.row.name, reason=str(refusal)) from refusal
    if answer.get("delivered"):
        return True
    if answer.get("reason") == "not_running":
        return False
    raise CannotInterrupt(runtime=actor.row.name, reason=str(answer.get("reason")))


def _note(actor: Actor, row: ExecutionRow, stimulus: Stimulus) -> None:
    batch = Batch(now_ms())
    actor.intake.note(row, stimulus, batch.now_ms, batch)
    # A full disk must not keep anyone from ending what fills it: the next commit has it.
    with contextlib.suppress(StoreUnavailable):
        actor.parts.recorder.commit(batch)
