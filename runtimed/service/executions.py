"""Handlers of the calls on executions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ulid import ULID

from runtimed.api.errors import (
    ExecutionConflict,
    ExecutionNotFound,
    InvalidParams,
    NotWaitingForInput,
)
from runtimed.api.executions import (
    ExecutionCancel,
    ExecutionEval,
    ExecutionGet,
    ExecutionInput,
    ExecutionInterrupt,
    ExecutionSubmit,
    ExecutionWait,
)
from runtimed.api.types import Execution, Interrupted, Nothing
from runtimed.kernels.clock import now_ms
from runtimed.kernels.documents import is_detached
from runtimed.kernels.queue import EOF
from runtimed.model.ids import is_ulid
from runtimed.service.agents import less, terms_of
from runtimed.service.binding import Caller, serves
from runtimed.service.references import find_execution, find_runtime
from runtimed.service.runtimes import interrupted, living
from runtimed.service.views import execution_view, whole_execution_view
from runtimed.service.wishes import wish_of
from runtimed.store.executions import ExecutionRow

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context

_Submission = ExecutionSubmit | ExecutionEval


@serves(ExecutionSubmit)
async def execution_submit(context: Context, call: ExecutionSubmit, caller: Caller) -> Execution:
    row = await _submit(context, call, caller)
    return execution_view(context, row)


@serves(ExecutionEval)
async def execution_eval(context: Context, call: ExecutionEval, caller: Caller) -> Execution:
    row = await _submit(context, call, caller)
    # It is accepted: who would run it a second time by asking again gets it as it is.
    takes_unfinished = call.id is None or not caller.connection.repeats_calls
    # Nor is it waited for by who asks again, once its runtime's limits have let go of it.
    wait_s = 0.0 if is_detached(row) else call.wait_s
    row = await waited(context, row, wait_s, caller, takes_unfinished=takes_unfinished)
    return await _view(context, row, outputs=call.outputs)


async def _submit(context: Context, call: _Submission, caller: Caller) -> ExecutionRow:
    """Store and queue it, or find it where it was submitted before under its id."""
    if (known := _known(context, call)) is not None:
        return known
    actor = await _actor_for(context, call, caller)
    if call.runtime is None and (known := _known(context, call)) is not None:
        return known  # submitted a second time while a runtime was found or started
    queued_ms = now_ms()
    row = ExecutionRow(
        id=call.id.upper() if call.id else str(ULID.from_timestamp(queued_ms / 1000)),
        runtime_id=actor.row.id,
        code=call.code,
        queued_ms=queued_ms,
        requested_by=caller.requested_by,
        cell_notebook=call.cell.notebook if call.cell else None,
        cell_id=call.cell.id if call.cell else None,
        group=call.group,
        stop_on_error=call.stop_on_error,
        carry_over=call.carry_over,
        stdin=call.stdin,
        argv=call.argv,
    )
    actor.queue.submit(row)
    return row


def _known(context: Context, call: _Submission) -> ExecutionRow | None:
    """Return the execution of the caller's id. Raises `ExecutionConflict` if it is another."""
    if call.id is None:
        return None
    if not is_ulid(call.id.upper()):
        raise InvalidParams(detail=f"id must be a ULID, not {call.id!r} - at `$.id`")
    try:
        row = find_execution(context, call.id)
    except ExecutionNotFound:
        return None
    if row.code != call.code:
        raise ExecutionConflict(execution=row.id, difference="code")
    if call.runtime is not None and find_runtime(context, call.runtime).id != row.runtime_id:
        raise ExecutionConflict(execution=row.id, difference="runtime")
    return row


async def _actor_for(context: Context, call: _Submission, caller: Caller) -> Actor:
    """Return the runtime that the submission names, or its project's one, started if need be."""
    if call.runtime is not None:
        if call.dependencies:
            raise InvalidParams(
                detail="dependencies are for a runtime that is started for them, and "
                f"{call.runtime} is there: leave out the one or the other - at `$.dependencies`"
            )
        return living(context, find_runtime(context, call.runtime))
    if call.project is None:
        raise InvalidParams(detail="it must name a runtime or a project")
    wish = wish_of(call)
    usual_s = context.supervisor.parts.config.implicit_idle_stop_s
    terms = terms_of(context, caller)
    terms = replace(terms, idle_stop_s=less(usual_s, terms.idle_stop_s or 0))
    return await context.starter.of_project(
        wish, name=call.name, terms=terms, waiting=caller.waiting
    )


async def _view(context: Context, row: ExecutionRow, *, outputs: bool) -> Execution:
    if outputs:
        return await whole_execution_view(context, row)
    return execution_view(context, row)


async def waited(
    context: Context,
    row: ExecutionRow,
    wait_s: float | None,
    caller: Caller,
    *,
    takes_unfinished: bool = False,
) -> ExecutionRow:
    """Return the execution once it is final, or as it is after so long.

    A stop of the service ends the wait: as if it were over with ``takes_unfinished``, else as
    `ShuttingDown`.
    """
    actor = context.supervisor.actors.get(row.runtime_id)
    if actor is not None and not row.progress.is_final:
        try:
            async with asyncio.timeout(wait_s) as timeout:
                with caller.ending(timeout) if takes_unfinished else caller.waiting():
                    row = await actor.queue.final(row)
        except TimeoutError:
            pass
    return row


@serves(ExecutionGet)
async def execution_get(context: Context, call: ExecutionGet) -> Execution:
    row = find_execution(context, call.execution)
    return await _view(context, row, outputs=call.outputs)


@serves(ExecutionWait)
async def execution_wait(context: Context, call: ExecutionWait, caller: Caller) -> Execution:
    row = find_execution(context, call.execution)
    row = await waited(context, row, call.wait_s, caller)
    return await _view(context, row, outputs=call.outputs)


@serves(ExecutionCancel)
async def execution_cancel(context: Context, call: ExecutionCancel) -> Execution:
    row = find_execution(context, call.execution)
    actor = context.supervisor.actors.get(row.runtime_id)
    if actor is not None:
        actor.queue.cancel(row, "it was cancelled")
    found = execution_view(context, row)
    if found.status == "queued":
        found.reason = "it is on its way to the kernel"
    return found


@serves(ExecutionInterrupt)
async def execution_interrupt(
    context: Context, call: ExecutionInterrupt, caller: Caller
) -> Interrupted:
    row = find_execution(context, call.execution)
    actor = context.supervisor.actors.get(row.runtime_id)
    if actor is None or row.progress.is_final:
        status = execution_view(context, row).status
        return Interrupted(how="none", execution=row.id, ended=True, status=status)
    return await interrupted(actor, row, call, caller)


@serves(ExecutionInput)
async def execution_input(context: Context, call: ExecutionInput) -> Nothing:
    row = find_execution(context, call.execution)
    actor = context.supervisor.actors.get(row.runtime_id)
    if actor is None:
        raise NotWaitingForInput(execution=row.id, status=row.status)
    await actor.queue.answer_input(row, EOF if call.eof else call.value, call.request)
    return Nothing()
