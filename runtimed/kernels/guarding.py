"""Keep what is executed within its runtime's limits: how long it runs, how much it puts out.

What exceeds a limit is interrupted, once, as anybody would interrupt it: no kernel is ended for it,
and nothing that comes after it is dropped. Where that ends nothing, nobody is made to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Literal

from runtimed.api.errors import CannotInterrupt, KeeperUnavailable, StoreUnavailable
from runtimed.config.values import shown_size, shown_time
from runtimed.kernels import interrupting
from runtimed.kernels.clock import now_ms
from runtimed.kernels.documents import execution_changes
from runtimed.kernels.implementations import dies_of_sigint
from runtimed.kernels.limits import limits_executions, limits_of
from runtimed.logs import about
from runtimed.recorder import Batch
from runtimed.store import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runtimed.api.types import Limits
    from runtimed.kernels.actor import Actor
    from runtimed.store.executions import ExecutionRow

log = logging.getLogger(__name__)

Limit = Literal["time", "output"]
#: Seconds for an execution that was interrupted to end, before nobody is made to wait for it.
ENDS_S = 5.0
#: How soon an interrupt that nobody could deliver is tried again.
RETRY_S = 1.0


@contextlib.asynccontextmanager
async def kept_within_limits(actor: Actor) -> AsyncIterator[None]:
    """Keep the executions of the actor's runtime within its limits, if it has any, meanwhile."""
    limits = limits_of(actor.row.launch)
    if limits is None or not limits_executions(limits):
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        guard = tasks.create_task(_guard(actor, limits), name=f"limits {actor.row.id}")
        try:
            yield
        finally:
            guard.cancel()


async def _guard(actor: Actor, limits: Limits) -> None:
    try:
        while True:
            await actor.until(lambda: _running(actor) is not None)
            if (row := _running(actor)) is not None:
                await _keep(actor, row, limits)
    except Exception:
        # The root of its task: the runtime goes on, without its limits.
        log.exception("its limits are not kept any more", extra=about(actor.row.id))
        actor.row.notices.append("its limits are not kept any more; the log of runtimed tells why")


def _running(actor: Actor) -> ExecutionRow | None:
    """Return the execution of ours that runs, if it was seen to begin."""
    row = actor.state.in_flight
    return row if row is not None and _runs(row) else None


def _runs(row: ExecutionRow) -> bool:
    return row.status in ("running", "waiting_input")


async def _keep(actor: Actor, row: ExecutionRow, limits: Limits) -> None:
    """Act on the limits that one execution exceeds, until it does not run any more."""
    state = actor.state
    if state.output_of != row.id and limits.output_bytes is not None:
        # It may have begun under a daemon before.
        state.note_output(row.id, actor.parts.recorder.store.read(events.output_bytes, row.id))
    deadline = asyncio.get_running_loop().time() + left_s(row, limits)
    if (limit := begun(row)) is not None:
        await _act(actor, row, limits, limit)
    while _runs(row):
        if (limit := await _exceeded(actor, row, limits, deadline)) is not None:
            await _act(actor, row, limits, limit)


def begun(row: ExecutionRow) -> Limit | None:
    """Return the limit for whose sake a daemon before was about to interrupt it, and did not."""
    exceeded = row.exceeded or {}
    if row.progress.interrupted or exceeded.get("left_running"):
        return None
    return "time" if "time" in exceeded else "output" if "output" in exceeded else None


def spared(row: ExecutionRow, limits: Limits) -> bool:
    """Say whether a limit has had it interrupted before: what cleans up is not hit again."""
    exceeded = row.exceeded or {}
    interrupting_limits = {"output"} if limits.on_execution_s == "detach" else {"time", "output"}
    return row.progress.interrupted and not interrupting_limits.isdisjoint(exceeded)


def left_s(row: ExecutionRow, limits: Limits) -> float:
    """Return how long it may run on: it is known when it began, whoever has seen that."""
    if limits.execution_s is None or row.started_ms is None:
        return 0.0
    ran_s = (now_ms() - row.started_ms) / 1000
    return min(max(limits.execution_s - ran_s, 0.0), limits.execution_s)


async def _exceeded(
    actor: Actor, row: ExecutionRow, limits: Limits, deadline: float
) -> Limit | None:
    """Wait until it exceeds a limit that it had not exceeded; None where it ends instead."""
    before = row.exceeded or {}
    has_deadline = limits.execution_s is not None and "time" not in before

    def puts_out_too_much() -> bool:
        state = actor.state
        return (
            limits.output_bytes is not None
            and "output" not in before
            and state.output_of == row.id
            and state.output_bytes > limits.output_bytes
        )

    try:
        async with asyncio.timeout_at(deadline if has_deadline else None):
            await actor.until(lambda: not _runs(row) or puts_out_too_much())
    except TimeoutError:
        return "time"
    return "output" if _runs(row) else None


async def _act(actor: Actor, row: ExecutionRow, limits: Limits, limit: Limit) -> None:
    if limit == "time":
        sentence = f"it ran longer than {shown_time(limits.execution_s or 0)}, the time limit"
    else:
        sentence = f"it put out more than {shown_size(limits.output_bytes or 0)}, the output limit"
    sentence += " of its runtime"
    log.info("%s", sentence, extra=about(row.runtime_id, row.id))
    if limit == "time" and limits.on_execution_s == "detach":
        _note(actor, row, limit, f"{sentence}, and was left running", left_running=True)
        return
    is_spared = spared(row, limits)
    _note(actor, row, limit, sentence)
    if is_spared:
        return
    while _runs(row):
        try:
            await interrupting.interrupt(actor, row)
            if not await interrupting.ends(actor, row, ENDS_S) and _runs(row):
                told = f"{sentence}, and an interrupt did not end it"
                _note(actor, row, limit, told, left_running=True)
        except CannotInterrupt as refusal:
            why = str(refusal.data["reason"]).partition(";")[0]
            if _runs(row):
                told = f"{sentence}, and was left running: {why}"
                _note(actor, row, limit, told, left_running=True)
        except KeeperUnavailable:
            await asyncio.sleep(RETRY_S)
            continue
        return


def _note(
    actor: Actor, row: ExecutionRow, limit: Limit, sentence: str, *, left_running: bool = False
) -> None:
    """Store and announce what has become of an execution that exceeds a limit."""
    exceeded = {**(row.exceeded or {}), limit: sentence}
    row.exceeded = exceeded | ({"left_running": True} if left_running else {})
    batch = Batch(now_ms())
    batch.changed[row.id] = row
    changes = execution_changes(row)
    batch.event("execution", row.runtime_id, row.id, changes, batch.now_ms, row.cell_notebook)
    # A full disk must not keep anyone from ending what fills it: the next commit has it.
    with contextlib.suppress(StoreUnavailable):
        actor.parts.recorder.commit(batch)
    if left_running:
        actor.queue.let_go(row)


def limits_notice(actor: Actor) -> str | None:
    """Return what is to be said at the start of a kernel that cannot be interrupted."""
    limits = limits_of(actor.row.launch)
    if limits is None or not limits_executions(limits) or not dies_of_sigint(actor.row):
        return None
    if limits.output_bytes is None and limits.on_execution_s == "detach":
        return None
    return (
        "an interrupt would end this kernel, so what exceeds its limits is left running, "
        "and nobody is made to wait for it"
    )
