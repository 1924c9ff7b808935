"""From a result to the response: status, entity tag, links, and the media type that was wanted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from runtimed.api.types import Execution, Nothing
from runtimed.server.http import media, rendering, text
from runtimed.server.http.arguments import parse_query
from runtimed.server.http.conditions import is_unchanged, tag_of
from runtimed.server.http.messages import Response
from runtimed.service.rendering import while_wanted
from runtimed.wire.jsonrpc import replace_surrogates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.api.call import Call
    from runtimed.api.places import Place
    from runtimed.api.rendering import TextForm, TextOptions
    from runtimed.server.http.exchange import Exchange
    from runtimed.server.http.messages import Headers, Request

_encode = msgspec.json.Encoder().encode
#: Longer bodies are hashed in a thread.
_HASHED_BYTES = 1024 * 1024
_WITHOUT_TEXT = (media.JSON,)
_WITH_TEXT = (media.JSON, "text/plain", "text/markdown")


def offers_of(call: type[Call[Any]]) -> Sequence[str]:
    """Return the media types that the call's result is to be had in, the usual one first."""
    return _WITH_TEXT if text.has_text(call) else _WITHOUT_TEXT


async def present(
    exchange: Exchange,
    place: Place,
    call: Call[Any],
    result: Any,
    *,
    as_text: tuple[str, TextOptions] | None = None,
) -> Response:
    """Return the response to a call that went well: JSON, or text of this media type."""
    if isinstance(result, Nothing):
        return Response(204)
    headers = _links(exchange.request, call, result)
    if len(offers_of(place.call)) > 1:
        headers.append(("Vary", "Accept"))
    if as_text is None:
        body = _json(result)
        headers.append(("Content-Type", media.JSON))
    else:
        kind, options = as_text
        body, further = await _text(exchange, result, kind, options)
        headers += [*further, ("Content-Type", f"{kind}; charset=utf-8")]
    etag = getattr(result, "etag", None)
    if place.verb == "GET":
        return await _conditional(exchange.request, headers, body, etag)
    if etag is not None:
        headers.append(("ETag", f'"{etag}"'))
    if place.location is None:
        return Response(200, headers, body)
    location = place.location.format_map(_Quoted(msgspec.structs.asdict(result)))
    return Response(201, [*headers, ("Location", location)], body)


async def _text(
    exchange: Exchange, result: Any, kind: str, options: TextOptions
) -> tuple[bytes, Headers]:
    """Return the text, and the headers that tell of it."""
    form: TextForm = "markdown" if kind == "text/markdown" else "text"
    headers: Headers = []
    if isinstance(result, Execution):
        shown = await rendering.of_execution(exchange, result, form, options)
        found, headers = shown.text, list(shown.headers)
    elif rendering.has_cells(result):
        cells = partial(rendering.of_cells, result, form, options)
        found = await exchange.finish(while_wanted(exchange, cells), "text")
    else:
        found = text.render(result, is_markdown=form == "markdown")
    return found.encode(errors="replace"), headers


async def present_json(exchange: Exchange, document: Any) -> Response:
    """Return a document that is no call's result."""
    headers = [("Content-Type", media.JSON)]
    return await _conditional(exchange.request, headers, _json(document), None)


async def _conditional(
    request: Request, headers: Headers, body: bytes, etag: str | None
) -> Response:
    if len(body) > _HASHED_BYTES:
        tag = await asyncio.to_thread(tag_of, body, etag)
    else:
        tag = tag_of(body, etag)
    headers += [("ETag", tag), ("Cache-Control", "no-cache")]
    if is_unchanged(request, tag):
        return Response(304, [each for each in headers if each[0] != "Content-Type"])
    return Response(200, headers, body)


def _json(result: Any) -> bytes:
    try:
        return _encode(result) + b"\n"
    except UnicodeEncodeError:
        return _encode(replace_surrogates(msgspec.to_builtins(result))) + b"\n"


class _Quoted(dict[str, Any]):
    """A result's fields, as they stand in a path."""

    def __getitem__(self, name: str) -> str:
        return quote(str(super().__getitem__(name)), safe="")


def _links(request: Request, call: Call[Any], result: Any) -> Headers:
    """Return the link to the next page (RFC 8288), where there is one."""
    further = _next_page(call, result)
    if further is None:
        return []
    name, value = further
    query = [(key, old) for key, old in parse_query(request.query) if key != name]
    target = f"{request.path}?{urlencode([*query, (name, value)])}"
    return [("Link", f'<{target}>; rel="next"')]


def _next_page(call: Call[Any], result: Any) -> tuple[str, str] | None:
    """Return the parameter that asks for the next page. A full list may have been the last."""
    if isinstance(result, list):
        limit = getattr(call, "limit", None)
        if hasattr(call, "before") and result and len(result) == limit:
            # ``before`` is about age: where the best come first, the last is not the oldest.
            last = getattr(result[-1], "id", None)
            return None if last is None else ("before", last)
        return None
    if getattr(result, "more", False) and hasattr(call, "cursor"):
        return "cursor", str(result.cursor)
    return None
