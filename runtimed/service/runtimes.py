"""Handlers of the calls on runtimes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from runtimed.api.errors import NoServer, RuntimeDead
from runtimed.api.runtimes import (
    RuntimeGet,
    RuntimeInterrupt,
    RuntimeKill,
    RuntimeList,
    RuntimeLogs,
    RuntimeRename,
    RuntimeRestart,
    RuntimeStart,
    RuntimeStop,
)
from runtimed.api.types import Ended, Interrupted, LogPage, Runtime
from runtimed.kernels import ending, interrupting, launch, naming
from runtimed.kernels.clock import now_ms
from runtimed.kernels.own_output import Piece, read_end, read_from
from runtimed.kernels.reasons import describe_exit
from runtimed.logs import about
from runtimed.model.ids import short
from runtimed.recorder import Batch
from runtimed.service.agents import is_by, terms_of
from runtimed.service.binding import Caller, serves
from runtimed.service.hands_off import (
    describe_owner,
    refuse_unless_forced,
    restart_by_server,
    stop_by_server,
)
from runtimed.service.references import find_recorded, find_runtime
from runtimed.service.views import runtime_view
from runtimed.service.wishes import wish_of

if TYPE_CHECKING:
    from runtimed.api.executions import ExecutionInterrupt
    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)


@serves(RuntimeList)
async def runtime_list(context: Context, call: RuntimeList) -> list[Runtime]:
    return [
        runtime_view(context, row)
        for row in context.supervisor.rows.values()
        if (call.all or row.status != "dead")
        and (call.kernel is None or row.kernel_name == call.kernel)
        and (call.origin is None or row.origin == call.origin)
        and (call.by is None or is_by(row.started_by, call.by))
    ]


@serves(RuntimeGet)
async def runtime_get(context: Context, call: RuntimeGet) -> Runtime:
    return runtime_view(context, find_recorded(context, call.runtime))


@serves(RuntimeStart)
async def runtime_start(context: Context, call: RuntimeStart, caller: Caller) -> Runtime:
    actor = await context.starter.start(
        wish_of(call),
        name=call.name,
        terms=terms_of(context, caller, idle_stop_s=call.idle_stop_s, limits=call.limits),
        timeout_s=call.start_timeout_s,
        waiting=caller.waiting,
    )
    return runtime_view(context, actor.row)


@serves(RuntimeStop)
async def runtime_stop(context: Context, call: RuntimeStop, caller: Caller) -> Ended:
    row = find_runtime(context, call.runtime, exact=True)
    actor = context.supervisor.actors.get(row.id)
    if actor is None or row.status == "dead":
        return Ended(runtime=runtime_view(context, row), how="already_dead")
    refuse_unless_forced(row, "stop", force=call.force)
    log.info("stopped by %s", caller.agent or caller.client, extra=about(row.id))
    if row.origin == "adopted" and await stop_by_server(context, row):
        return Ended(runtime=runtime_view(context, row), how="jupyter_server")
    how = await ending.stop(actor, call.grace_s)
    return Ended(runtime=runtime_view(context, row), how=how)


@serves(RuntimeKill)
async def runtime_kill(context: Context, call: RuntimeKill, caller: Caller) -> Ended:
    row = find_runtime(context, call.runtime, exact=True)
    actor = context.supervisor.actors.get(row.id)
    if actor is None or row.status == "dead":
        return Ended(runtime=runtime_view(context, row), how="already_dead")
    refuse_unless_forced(row, "kill", force=call.force)
    log.info("killed by %s", caller.agent or caller.client, extra=about(row.id))
    how = await ending.kill(actor)
    return Ended(runtime=runtime_view(context, row), how=how)


@serves(RuntimeRestart)
async def runtime_restart(context: Context, call: RuntimeRestart) -> Ended:
    row = find_runtime(context, call.runtime, exact=True)
    if row.origin == "adopted" and (row.owner or {}).get("kind") != "jupyter_server":
        raise NoServer(runtime=short(row.id), owner=describe_owner(row.owner))
    refuse_unless_forced(row, "restart", force=call.force)
    if row.origin == "adopted":
        await restart_by_server(context, row)
        return Ended(runtime=runtime_view(context, row), how="jupyter_server")
    how = await context.starter.restart(row, call.env)
    return Ended(runtime=runtime_view(context, row), how=how)


@serves(RuntimeInterrupt)
async def runtime_interrupt(
    context: Context, call: RuntimeInterrupt, caller: Caller
) -> Interrupted:
    actor = living(context, find_runtime(context, call.runtime))
    row = actor.state.current
    await context.supervisor.keeper()
    if row is not None:
        return await interrupted(actor, row, call, caller)
    how, ended = await interrupting.interrupt_unrecorded(actor, call.wait_s, force=call.force)
    if actor.row.status != "dead":
        return Interrupted(how=how, execution=None, ended=ended)
    reason = describe_exit(actor.row.exit or {})
    return Interrupted(how=how, execution=None, ended=True, status="kernel_died", reason=reason)


async def interrupted(
    actor: Actor, row: ExecutionRow, call: RuntimeInterrupt | ExecutionInterrupt, caller: Caller
) -> Interrupted:
    """Interrupt an execution and say what came of it."""
    how = await interrupting.interrupt(actor, row, force=call.force)
    with caller.waiting():
        ended = await interrupting.ends(actor, row, call.wait_s, force=call.force)
    return Interrupted(
        how=how,
        execution=row.id,
        ended=ended,
        status=row.status,  # type: ignore[arg-type]
        reason=row.reason,
    )


def living(context: Context, row: RuntimeRow) -> Actor:
    """Return the runtime's actor. Raises `RuntimeDead`."""
    actor = context.supervisor.actors.get(row.id)
    if actor is None or row.status == "dead":
        reason = describe_exit(row.exit or {})
        if row.origin == "adopted" and os.path.exists(row.connection_file):
            reason += "; it is looked for, and here again once its owner has restarted it"
        raise RuntimeDead(runtime=short(row.id), reason=reason)
    return actor


@serves(RuntimeRename)
async def runtime_rename(context: Context, call: RuntimeRename) -> Runtime:
    row = find_runtime(context, call.runtime)
    others = [other for other in context.supervisor.rows.values() if other is not row]
    naming.check_free(others, call.name)
    before, row.name = row.name, call.name
    batch = Batch(now_ms())
    batch.runtimes[row.id] = row
    batch.event("runtime", row.id, None, runtime_view(context, row))
    try:
        context.supervisor.parts.recorder.commit(batch)
    except BaseException:
        row.name = before
        raise
    return runtime_view(context, row)


@serves(RuntimeLogs)
async def runtime_logs(context: Context, call: RuntimeLogs, caller: Caller) -> LogPage:
    row = find_runtime(context, call.runtime)
    deadline_s = asyncio.get_running_loop().time() + call.wait_s
    while True:
        news = context.supervisor.own_output.next_news()  # before the look
        has_ended = row.status == "dead" or row.origin == "adopted"
        page = await asyncio.to_thread(_log_page, context, row.id, call, has_ended)
        is_late = asyncio.get_running_loop().time() >= deadline_s
        if page.stdout or page.stderr or has_ended or is_late:
            return page
        with contextlib.suppress(TimeoutError), caller.waiting():
            async with asyncio.timeout_at(deadline_s):
                await news.wait()


def _log_page(context: Context, runtime_id: str, call: RuntimeLogs, has_ended: bool) -> LogPage:
    def read(path: str, begin: int | None) -> Piece:
        if begin is None:
            return read_end(path, call.tail_bytes)
        return read_from(path, begin, call.tail_bytes)

    stdout = read(launch.stdout_path(context.state, runtime_id), call.stdout_from)
    stderr = read(launch.stderr_path(context.state, runtime_id), call.stderr_from)
    return LogPage(
        runtime=runtime_id,
        stdout=stdout.text,
        stderr=stderr.text,
        stdout_end=stdout.end,
        stderr_end=stderr.end,
        ended=has_ended,
    )
