"""The MCP server: the SDK's low level, with our tools, resources, subscriptions and tasks.

One for stdio and for HTTP, of every revision from 2024-11-05 to 2026-07-28. It holds nothing that
must not die: what runs is the daemon's.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

from runtimed import __version__
from runtimed.mcp import resources, tasks, tools
from runtimed.mcp.caller import Asked
from runtimed.mcp.callers import (
    RoundTripClient,
    SessionClient,
    asking,
    is_modern,
    key_of,
    said_name,
)
from runtimed.mcp.desk import Desks, open_desks
from runtimed.mcp.results import tool_list, tool_result
from runtimed.mcp.runs import Runs
from runtimed.mcp.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.models import InitializationOptions

    from runtimed.mcp.desk import Desk
    from runtimed.mcp.sight import Scope

NAME = "runtimed"
_INSTRUCTIONS = (
    "Persistent kernels (REPLs) of this person's machine, in any language. run_code runs code and "
    "returns the name of its runtime: pass that as `runtime` to go on with the same variables. "
    "Executions outlast calls, this server and you: each has an id, and get_output has all of what "
    "it printed at any time. You see the runtimes that you started or were given, no others. A "
    "kernel is no sandbox."
)
#: Seconds that a person may take for an answer between two rounds of a call.
_ROUND_TRIP_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Hall:
    """What the requests of one server share."""

    desks: Desks
    subscriptions: Subscriptions
    runs: Runs = field(default_factory=Runs)
    answered: set[str] = field(default_factory=set)
    promised: tasks.Promised = field(default_factory=tasks.Promised)

    def desk(self, ctx: ServerRequestContext[Any, Any]) -> Desk:
        """Return the desk of who asks."""
        return self.desks.of(said_name(ctx))


def build(scope: Scope) -> Server[Hall]:
    """Return a server for one scope; nothing is connected before its first request."""

    @asynccontextmanager
    async def opened(_: Server[Hall]) -> AsyncIterator[Hall]:
        async with open_desks(scope) as desks, Subscriptions(desks) as subscriptions:
            yield Hall(desks, subscriptions)

    server: Server[Hall] = Server(
        NAME,
        version=__version__,
        title="runtimed",
        instructions=_INSTRUCTIONS,
        lifespan=opened,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=resources.list_resources,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read_resource,
        on_subscribe_resource=resources.subscribe,
        on_unsubscribe_resource=resources.unsubscribe,
        on_subscriptions_listen=resources.listen,
    )
    server.middleware.append(_at_a_desk)
    server.middleware.append(
        RequestStateBoundary(
            RequestStateSecurity.ephemeral(ttl=_ROUND_TRIP_S), default_audience=NAME
        )
    )
    server.add_notification_handler(
        "notifications/cancelled", types.CancelledNotificationParams, _cancelled
    )
    tasks.serve(server)
    return server


def options(server: Server[Hall]) -> InitializationOptions:
    """Return what clients that shake hands are told."""
    return server.create_initialization_options(extensions={})


async def _at_a_desk(ctx: ServerRequestContext[Hall, Any], call_next: CallNext) -> HandlerResult:
    """Keep the desk of who asks open until it is answered."""
    hall = ctx.lifespan_context
    desk = hall.desk(ctx)
    desk.hold()
    try:
        return await call_next(ctx)
    finally:
        desk.release()
        hall.subscriptions.look_again(desk)


async def _list_tools(
    ctx: ServerRequestContext[Hall, Any], params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    return tool_list(read_only=ctx.lifespan_context.desks.scope.read_only)


async def _call_tool(
    ctx: ServerRequestContext[Hall, Any], params: types.CallToolRequestParams
) -> Any:
    hall = ctx.lifespan_context
    desk = hall.desk(ctx)
    caller = (
        RoundTripClient(ctx, desk, hall.runs, params, hall.answered)
        if is_modern(ctx)
        else SessionClient(ctx, desk, hall.runs)
    )
    as_task = params.name == "run_code" and tasks.is_declared(ctx)
    arguments = tasks.shortened(params.arguments) if as_task else params.arguments
    try:
        answer = await tools.call(desk, params.name, arguments, caller)
    except Asked as asked:
        hall.runs.answered(key_of(ctx, ctx.request_id))
        return asking(asked)
    hall.runs.answered(key_of(ctx, ctx.request_id))
    if as_task and answer.status in ("queued", "running"):
        return await tasks.created(desk, hall.promised, answer, arguments)
    return tool_result(answer)


async def _cancelled(
    ctx: ServerRequestContext[Hall, Any], params: types.CancelledNotificationParams
) -> None:
    await ctx.lifespan_context.runs.cancelled(key_of(ctx, params.request_id))
