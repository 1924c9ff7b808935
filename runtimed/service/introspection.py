"""Handlers of the calls that ask a kernel about code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.introspection import RuntimeComplete, RuntimeInspect, RuntimeIsComplete
from runtimed.kernels import introspection
from runtimed.service.binding import Caller, serves
from runtimed.service.references import find_runtime
from runtimed.service.runtimes import living

if TYPE_CHECKING:
    from runtimed.api.introspection import Completeness, Completions, Inspection
    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context


@serves(RuntimeComplete)
async def runtime_complete(context: Context, call: RuntimeComplete, caller: Caller) -> Completions:
    actor = await _reachable(context, call.runtime)
    with caller.waiting():
        return await introspection.complete(actor, call.code, call.cursor, call.wait_s)


@serves(RuntimeInspect)
async def runtime_inspect(context: Context, call: RuntimeInspect, caller: Caller) -> Inspection:
    actor = await _reachable(context, call.runtime)
    with caller.waiting():
        return await introspection.inspect(
            actor, call.code, call.cursor, detail=call.detail, wait_s=call.wait_s
        )


@serves(RuntimeIsComplete)
async def runtime_is_complete(
    context: Context, call: RuntimeIsComplete, caller: Caller
) -> Completeness:
    actor = await _reachable(context, call.runtime)
    with caller.waiting():
        return await introspection.is_complete(actor, call.code, call.wait_s)


async def _reachable(context: Context, reference: str) -> Actor:
    """Return the runtime's actor, and a keeper is there. Raises as its parts do."""
    actor = living(context, find_runtime(context, reference))
    await context.supervisor.keeper()
    return actor
