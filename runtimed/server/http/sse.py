"""Event streams: a subscription as `text/event-stream`.

Each event is ``id:`` its cursor, ``event:`` its type, ``data:`` the `Event` as JSON. A reader that
comes again goes on after ``Last-Event-ID``, else after ``since``, and misses nothing. Where nothing
happens for a while, a comment says that the connection lives. A reader that is too slow gets
``lagged`` as its last event, and nobody waits for it.

- ``/v0/runtimes/{runtime}/attach`` begins with the runtime's document, as a ``runtime`` event that
  has all fields, unless it resumes.
- ``/v0/executions/{execution}/events`` begins with the first event of the execution, and ends when
  the execution is final and all of it was sent. Resumed after its end there is nothing to send:
  204, which keeps a browser from coming again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from runtimed.api.events import Event
from runtimed.api.executions import ExecutionGet
from runtimed.api.runtimes import RuntimeGet
from runtimed.api.types import FINAL
from runtimed.model.times import rfc3339
from runtimed.server.http import media
from runtimed.server.http.messages import Response
from runtimed.wire import sse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from runtimed.api.events import EventsSubscribe, EventType
    from runtimed.api.places import Place
    from runtimed.api.types import Execution, Runtime, Subscription
    from runtimed.server.http.exchange import Exchange
    from runtimed.service.binding import EventStream

    Page = list[bytes | Event]
    #: Returns what is written of a page, None at the end.
    Encode = Callable[[Page], Awaitable[bytes | None]]

#: How long a reader waits before it comes again. Where it resumes, nothing was lost meanwhile.
_RETRY_MS = 1000
_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct):
    """What of an event decides what becomes of it; the rest is passed on as it is."""

    cursor: str
    type: str
    data: msgspec.Raw


class _Change(msgspec.Struct):
    """Of an execution's event."""

    status: str | None = None


_heads = msgspec.json.Decoder(_Head)
_changes = msgspec.json.Decoder(_Change)


async def respond(exchange: Exchange, place: Place, call: EventsSubscribe) -> Response:
    """Return the stream that is asked for.

    Raises `ApiError` or `HttpError` where there is none to be had.
    """
    media.choose(exchange.request.header("accept"), [sse.MEDIA_TYPE])
    exchange.takes_streams = True
    # A browser repeats the address that it first came with; the header says where it is now.
    since = exchange.request.header("last-event-id") or call.since
    call = msgspec.structs.replace(call, since=since)
    if "execution" in place.path_fields:
        return await _of_execution(exchange, call)
    stream, subscription = await _subscribe(exchange, call)
    begin = sse.encode_retry(_RETRY_MS)
    if "runtime" in place.path_fields and since is None:
        # After the subscription has begun: what changes in between comes twice, and is not lost.
        runtime: Runtime = await exchange.perform(RuntimeGet(runtime=call.runtime or ""))
        begin += _snapshot(runtime, subscription)

    async def encode(page: Page) -> bytes:
        return _encoded(page) or sse.HEARTBEAT

    return _response(exchange, stream, aiter(stream), begin, encode)


async def _of_execution(exchange: Exchange, call: EventsSubscribe) -> Response:
    async def document() -> Execution:
        wanted = ExecutionGet(execution=call.execution or "", outputs=False)
        found: Execution = await exchange.perform(wanted)
        return found

    async def encode(page: Page) -> bytes | None:
        if not page and (await document()).status in FINAL:
            return None
        if any(map(_is_final, page)):
            stream.nudge()  # what else there is of it comes before the empty page
        return _encoded(page, call.types) or sse.HEARTBEAT

    since = call.since or "start"
    call = msgspec.structs.replace(call, execution=(await document()).id, since=since)
    stream, _ = await _subscribe(exchange, msgspec.structs.replace(call, types=None))
    stream.nudge()  # what there is comes first, then an empty page, not only after a heartbeat
    pages = aiter(stream)
    first = await encode(await anext(pages))
    if first is None and since != "start":
        return Response(204)
    begin = sse.encode_retry(_RETRY_MS) + (first or b"")
    if first is None:
        stream.close()
    return _response(exchange, stream, pages, begin, encode)


async def _subscribe(exchange: Exchange, call: EventsSubscribe) -> tuple[EventStream, Subscription]:
    subscription: Subscription = await exchange.perform(call)
    return exchange.streams[-1], subscription


def _response(
    exchange: Exchange,
    stream: EventStream,
    pages: AsyncIterator[Page],
    begin: bytes,
    encode: Encode,
) -> Response:
    heartbeat_s = exchange.hall.limits.event_heartbeat_s
    body = _written(stream, pages, begin, encode, heartbeat_s)
    return Response(200, [("Content-Type", sse.MEDIA_TYPE), ("Cache-Control", "no-store")], body)


async def _written(
    stream: EventStream,
    pages: AsyncIterator[Page],
    begin: bytes,
    encode: Encode,
    heartbeat_s: float,
) -> AsyncGenerator[bytes, None]:
    """Yield the stream piece by piece. While a piece is written, nothing is taken of the hub's."""
    loop = asyncio.get_running_loop()
    yield begin
    timer = loop.call_later(heartbeat_s, stream.nudge)
    try:
        async for page in pages:
            timer.cancel()
            text = await encode(page)
            if text is None:
                return
            yield text
            timer = loop.call_later(heartbeat_s, stream.nudge)
    finally:
        timer.cancel()
        stream.close()


def _encoded(page: Page, types: list[EventType] | None = None) -> bytes:
    """Return the events of a page; of other types than wanted, only those that end something."""
    return b"".join(
        sse.encode_event(data, type=head.type, id=head.cursor)
        for data, head in map(_decoded, page)
        if types is None or head.type in types or head.type == "lagged" or _ends(head)
    )


def _decoded(event: bytes | Event) -> tuple[bytes, _Head]:
    data = event if isinstance(event, bytes) else _encode(event)
    return data, _heads.decode(data)


def _is_final(event: bytes | Event) -> bool:
    return _ends(_decoded(event)[1])


def _ends(head: _Head) -> bool:
    return head.type == "execution" and _changes.decode(head.data).status in FINAL


def _snapshot(runtime: Runtime, subscription: Subscription) -> bytes:
    """Return the runtime as an event in which everything has changed."""
    cursor = subscription.cursor
    event = Event(
        subscription=subscription.subscription,
        seq=int(cursor.rpartition(".")[2]),
        cursor=cursor,
        at=rfc3339(time.time_ns() // 1_000_000) or "",
        type="runtime",
        runtime=runtime.id,
        execution=None,
        data=msgspec.to_builtins(runtime),
    )
    return sse.encode_event(_encode(event), type="runtime", id=cursor)
