"""What an MCP client can read besides calling tools: runtimes, executions, blobs it may see."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError

from runtimed.api.errors import ApiError, BadRequest, NotFound
from runtimed.api.executions import BlobGet, ExecutionList
from runtimed.mcp.answer import ToolFailure
from runtimed.mcp.callers import at_its_end, is_modern, key_of, said_name
from runtimed.mcp.lines import clipped
from runtimed.mcp.telling import status_line, told
from runtimed.model.ids import short

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.context import ServerRequestContext

    from runtimed.mcp.desk import Desk

RUNTIMES = "runtimed://runtimes"
_URI = re.compile(r"runtimed://(runtimes|executions|blobs)/([^/?#]+)")
_JSON, _TEXT = "application/json", "text/plain"
#: Of an execution's output as a resource; get_output has the rest.
_MAX_CHARS = 50_000
_LISTED = 20
_NOT_FOUND = -32002  # until 2025-11-25; since 2026-07-28 invalid parameters say it


def runtime_uri(id: str) -> str:
    """Return the address of a runtime."""
    return f"{RUNTIMES}/{id}"


def execution_uri(id: str) -> str:
    """Return the address of an execution."""
    return f"runtimed://executions/{id}"


async def list_resources(
    ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    """List the living runtimes in sight, and the newest executions of all in sight."""
    desk = _desk(ctx)
    async with _failing():
        visible = await desk.sight.runtimes()
        ids = [each.id for each in visible][-10_000:]
        newest = await desk.call(ExecutionList(runtimes=ids, limit=_LISTED)) if ids else []
    found = [
        types.Resource(
            uri=RUNTIMES,
            name="runtimes",
            description="The runtimes that you may use.",
            mime_type=_JSON,
        )
    ]
    found += [
        types.Resource(
            uri=runtime_uri(each.id),
            name=each.name,
            description=f"{each.kernel_name}, {each.status}, in {each.cwd}",
            mime_type=_JSON,
        )
        for each in visible
        if each.status != "dead"
    ]
    found += [
        types.Resource(
            uri=execution_uri(each.id),
            name=f"execution {short(each.id)}",
            description=f"{status_line(each)}: {clipped(each.code, 80)}",
            mime_type=_TEXT,
        )
        for each in newest
    ]
    return types.ListResourcesResult(resources=found)


async def list_templates(
    ctx: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """List how addresses are made."""
    kinds = [
        (runtime_uri("{id}"), "runtime", "A runtime, by its id or name.", _JSON),
        (execution_uri("{id}"), "execution", "An execution and its output, by its id.", _TEXT),
        ("runtimed://blobs/{sha256}", "blob", "A large value of an output, by its SHA-256.", None),
    ]
    return types.ListResourceTemplatesResult(
        resource_templates=[
            types.ResourceTemplate(uri_template=uri, name=name, description=words, mime_type=mime)
            for uri, name, words, mime in kinds
        ]
    )


async def read_resource(
    ctx: ServerRequestContext[Any, Any], params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    """Return a resource. Raises `MCPError`, in the same words for what is out of sight."""
    desk = _desk(ctx)
    async with _failing():
        try:
            contents = await _contents(desk, params.uri)
        except (ToolFailure, NotFound, BadRequest) as failure:
            raise _not_found(ctx, params.uri) from failure
    if contents is None:
        raise _not_found(ctx, params.uri)
    return types.ReadResourceResult(contents=contents)


async def _contents(
    desk: Desk, uri: str
) -> list[types.TextResourceContents | types.BlobResourceContents] | None:
    if uri == RUNTIMES:
        return [_json(uri, await desk.sight.runtimes())]
    match = _URI.fullmatch(uri)
    if match is None:
        return None
    kind, id = match.groups()
    if kind == "runtimes":
        return [_json(uri, await desk.sight.runtime(unquote(id)))]
    if kind == "executions":
        execution = await desk.sight.execution(id)
        answer = await told(desk, execution, _MAX_CHARS)
        return [types.TextResourceContents(uri=uri, mime_type=_TEXT, text=answer.text)]
    ids = (await desk.sight.runtime_ids())[-10_000:]
    blob = await desk.call(BlobGet(sha256=id, runtimes=ids))
    return [types.BlobResourceContents(uri=uri, blob=blob.data)]


def _json(uri: str, value: object) -> types.TextResourceContents:
    text = msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    return types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)


def _not_found(ctx: ServerRequestContext[Any, Any], uri: str) -> MCPError:
    code = types.INVALID_PARAMS if is_modern(ctx) else _NOT_FOUND
    return MCPError(code, f"There is no resource {uri[:200]} that you may read", {"uri": uri[:200]})


async def subscribe(
    ctx: ServerRequestContext[Any, Any], params: types.SubscribeRequestParams
) -> types.EmptyResult:
    """Notify the client's session of changes, until 2025-11-25. Raises `MCPError`."""
    desk, session = _desk(ctx), _session(ctx)
    subscriptions = ctx.lifespan_context.subscriptions
    async with _failing():
        resource = await _meant(desk, params.uri)
    if resource is None:
        raise _not_found(ctx, params.uri)
    at_its_end(ctx, "subscriptions", lambda: subscriptions.discard(session))
    tell = ctx.session.send_resource_updated
    await subscriptions.add(desk, session, params.uri, resource, tell)
    return types.EmptyResult()


async def unsubscribe(
    ctx: ServerRequestContext[Any, Any], params: types.UnsubscribeRequestParams
) -> types.EmptyResult:
    """End that."""
    ctx.lifespan_context.subscriptions.discard(_session(ctx), params.uri)
    return types.EmptyResult()


async def listen(
    ctx: ServerRequestContext[Any, Any], params: types.SubscriptionsListenRequestParams
) -> types.SubscriptionsListenResult:
    """Notify the client on this request's own stream, since 2026-07-28. Raises `MCPError`."""
    desk = _desk(ctx)
    wanted = params.notifications
    asked = {}
    async with _failing():
        for uri in wanted.resource_subscriptions or ():
            if (resource := await _meant(desk, uri)) is not None:
                asked[uri] = resource
    honoured = types.SubscriptionFilter(
        resources_list_changed=wanted.resources_list_changed, resource_subscriptions=[*asked]
    )
    subscriptions = ctx.lifespan_context.subscriptions
    result: types.SubscriptionsListenResult = await subscriptions.listen(
        desk, ctx, params.model_copy(update={"notifications": honoured}), asked
    )
    return result


async def _meant(desk: Desk, uri: str) -> str | None:
    """Return the address by id of what an address means now; None where nothing can change."""
    if uri == RUNTIMES:
        return uri
    match = _URI.fullmatch(uri)
    try:
        if match is not None and match[1] == "runtimes":
            return runtime_uri((await desk.sight.runtime(unquote(match[2]))).id)
        if match is not None and match[1] == "executions":
            return execution_uri((await desk.sight.execution(match[2])).id)
    except ToolFailure:
        pass
    return None  # nor do blobs, ever


@asynccontextmanager
async def _failing() -> AsyncIterator[None]:
    """Have what the daemon does not do be the answer: that it is away is no fact of a resource."""
    try:
        yield
    except ApiError as error:
        raise MCPError(types.INTERNAL_ERROR, error.message()) from error


def _desk(ctx: ServerRequestContext[Any, Any]) -> Desk:
    desk: Desk = ctx.lifespan_context.desks.of(said_name(ctx))
    return desk


def _session(ctx: ServerRequestContext[Any, Any]) -> str:
    key = key_of(ctx, "session")
    return key[0] if key is not None else ""
