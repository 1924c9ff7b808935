"""From a request to its response: one generic way for every call, made of the registry."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import h11

from runtimed.api.errors import ApiError
from runtimed.api.events import EventsSubscribe
from runtimed.api.executions import BlobGet
from runtimed.server.dispatch import log_incident
from runtimed.server.http import blobs, guard, media, rpc, sse
from runtimed.server.http.arguments import call_of, parse_query
from runtimed.server.http.conditions import edit_of
from runtimed.server.http.messages import HttpError, Over, Response
from runtimed.server.http.presenting import offers_of, present, present_json
from runtimed.server.http.problems import problem_of, problem_of_http
from runtimed.server.http.rendering import as_asked, options_of
from runtimed.server.http.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runtimed.api.places import Place
    from runtimed.server.dispatch import Dispatcher
    from runtimed.server.http.exchange import Exchange

#: Calls whose results are bytes or streams and not documents.
_PRESENTERS: dict[type[Any], Callable[[Exchange, Place, Any], Awaitable[Response]]] = {
    BlobGet: blobs.respond,
    EventsSubscribe: sse.respond,
}
#: What is there besides the calls.
_RPC, _OPENAPI = "/rpc", "/v0/openapi.json"
_FIXED = {_RPC: ["OPTIONS", "POST"], _OPENAPI: ["GET", "HEAD", "OPTIONS"]}


async def respond(exchange: Exchange) -> Response:
    """Return the response to a request, whatever comes of it."""
    try:
        guard.check(exchange.request)
        exchange.agent = guard.agent_of(exchange.request)
        if exchange.request.verb == "OPTIONS":
            return _options(exchange)
        if exchange.request.path in _FIXED:
            return await _fixed(exchange)
        return await _called(exchange)
    except ApiError as error:
        return problem_of(error)
    except HttpError as error:
        return problem_of_http(error)
    except (Over, h11.RemoteProtocolError):  # of the body: the connection's matter
        raise
    except Exception:  # noqa: BLE001 - the root of a request's work
        return problem_of(log_incident(f"{exchange.request.verb} {exchange.request.path}"))


async def _called(exchange: Exchange) -> Response:
    request = exchange.request
    query = parse_query(request.query)
    routes = _routes(exchange.hall.dispatcher)
    found = routes.find(request.verb, request.path, [name for name, _ in query])
    place = found.place
    media.check_body(
        request,
        is_needed=any(field.required for field in place.body_fields),
        most_bytes=exchange.hall.limits.line_bytes,
    )
    presenter = _PRESENTERS.get(place.call)
    kind = "" if presenter else media.choose(request.header("accept"), offers_of(place.call))
    if_match = edit_of(request, place)
    options = options_of(place.call, query)
    call = call_of(found, query, await exchange.body(), if_match)
    if presenter is not None:
        return await presenter(exchange, place, call)
    call = as_asked(call, kind, named=dict(query))
    result = await exchange.perform(call)
    as_text = (kind, options) if kind != media.JSON else None
    return await present(exchange, place, call, result, as_text=as_text)


async def _fixed(exchange: Exchange) -> Response:
    request = exchange.request
    allowed = _FIXED[request.path]
    if request.verb not in allowed:
        detail = f"{request.verb} is not for this path"
        raise HttpError(405, detail, ("Allow", ", ".join(allowed)))
    if request.path == _RPC:
        return await rpc.answer(exchange)
    media.choose(request.header("accept"), [media.JSON])
    return await present_json(exchange, _openapi())


def _options(exchange: Exchange) -> Response:
    path = exchange.request.path
    if path == "*":
        allowed = list(guard.VERBS)
    else:
        allowed = _FIXED.get(path) or _routes(exchange.hall.dispatcher).verbs(path)
    if not allowed:
        raise HttpError(404, f"nothing is at {path[:200]}; /v0/openapi.json says what is where")
    return Response(204, [("Allow", ", ".join(allowed))])


@cache
def _routes(dispatcher: Dispatcher) -> Routes:
    return Routes(dispatcher.calls)


@cache
def _openapi() -> dict[str, Any]:
    from runtimed.api.openapi import openapi

    return openapi()
