"""Handlers of the calls on runtimes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import RuntimeAlive, RuntimeDead
from runtimed.api.runtimes import (
    EnvironmentList,
    RuntimeGet,
    RuntimeInterrupt,
    RuntimeKill,
    RuntimeList,
    RuntimeLogs,
    RuntimeRemove,
    RuntimeRename,
    RuntimeRestart,
    RuntimeStart,
    RuntimeStop,
)
from runtimed.api.types import Ended, Environment, Interrupted, LogPage, Nothing, Runtime
from runtimed.kernels import ending, launch, naming
from runtimed.kernels.clock import now_ms
from runtimed.kernels.intake import describe_exit
from runtimed.kernels.listing import list_environments
from runtimed.model.ids import short
from runtimed.recorder import Batch
from runtimed.service.binding import serves
from runtimed.service.references import find_runtime
from runtimed.service.views import runtime_view
from runtimed.service.wishes import wish_of

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context
    from runtimed.store.runtimes import RuntimeRow


@serves(EnvironmentList)
async def environment_list(context: Context, call: EnvironmentList) -> list[Environment]:
    env = launch.own_environment() if call.env is None else call.env
    return await list_environments(env, call.project, context.starter.finder)


@serves(RuntimeList)
async def runtime_list(context: Context, call: RuntimeList) -> list[Runtime]:
    return [
        runtime_view(context, row)
        for row in context.supervisor.rows.values()
        if (call.all or row.status != "dead")
        and (call.kernel is None or row.kernel_name == call.kernel)
    ]


@serves(RuntimeGet)
async def runtime_get(context: Context, call: RuntimeGet) -> Runtime:
    return runtime_view(context, find_runtime(context, call.runtime))


@serves(RuntimeStart)
async def runtime_start(context: Context, call: RuntimeStart) -> Runtime:
    actor = await context.starter.start(
        wish_of(call), name=call.name, idle_stop_s=call.idle_stop_s, timeout_s=call.start_timeout_s
    )
    return runtime_view(context, actor.row)


@serves(RuntimeStop)
async def runtime_stop(context: Context, call: RuntimeStop) -> Ended:
    row = find_runtime(context, call.runtime, exact=True)
    actor = context.supervisor.actors.get(row.id)
    if actor is None or row.status == "dead":
        return Ended(runtime=runtime_view(context, row), how="already_dead")
    how = await ending.stop(actor, call.grace_s)
    return Ended(runtime=runtime_view(context, row), how=how)


@serves(RuntimeKill)
async def runtime_kill(context: Context, call: RuntimeKill) -> Ended:
    row = find_runtime(context, call.runtime, exact=True)
    actor = context.supervisor.actors.get(row.id)
    if actor is None or row.status == "dead":
        return Ended(runtime=runtime_view(context, row), how="already_dead")
    how = await ending.kill(actor)
    return Ended(runtime=runtime_view(context, row), how=how)


@serves(RuntimeRestart)
async def runtime_restart(context: Context, call: RuntimeRestart) -> Runtime:
    row = find_runtime(context, call.runtime, exact=True)
    actor = await context.starter.restart(row, call.env)
    return runtime_view(context, actor.row)


@serves(RuntimeInterrupt)
async def runtime_interrupt(context: Context, call: RuntimeInterrupt) -> Interrupted:
    actor = living(context, find_runtime(context, call.runtime))
    row = actor.state.in_flight
    if row is None:
        return Interrupted(how="none", execution=None)
    return Interrupted(how=await ending.interrupt(actor, row), execution=row.id)


def living(context: Context, row: RuntimeRow) -> Actor:
    """Return the runtime's actor. Raises `RuntimeDead`."""
    actor = context.supervisor.actors.get(row.id)
    if actor is None or row.status == "dead":
        raise RuntimeDead(runtime=short(row.id), reason=describe_exit(row.exit or {}))
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


@serves(RuntimeRemove)
async def runtime_remove(context: Context, call: RuntimeRemove) -> Nothing:
    row = find_runtime(context, call.runtime, exact=True)
    if row.status != "dead":
        raise RuntimeAlive(runtime=short(row.id))
    context.supervisor.remove(row)
    return Nothing()


@serves(RuntimeLogs)
async def runtime_logs(context: Context, call: RuntimeLogs) -> LogPage:
    row = find_runtime(context, call.runtime)
    paths = [launch.stdout_path(context.state, row.id), launch.stderr_path(context.state, row.id)]
    stdout, stderr = await asyncio.to_thread(
        lambda: [launch.stderr_tail(path, call.tail_bytes) for path in paths]
    )
    return LogPage(runtime=row.id, stdout=stdout, stderr=stderr)
