"""What a subscriber receives: every change, with its place in the one order of all changes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import InvalidParams, RuntimeNotFound, StaleCursor
from runtimed.api.types import Document, Nothing, Subscription

EventType = Literal["runtime", "execution", "output", "input", "gap", "lagged"]


class Event(Document):
    """One change. ``cursor`` resumes after it; ``seq`` orders it within its epoch.

    ``data`` by type: runtime, execution: the fields that changed · output: an operation
    (``op``: stream {name, text}, add {output}, clear {wait}, update {display_id, data,
    metadata}) · input: {prompt, password} · gap: {reason, from_at, to_at, count} ·
    lagged: {} — the subscription has ended, because its reader was too slow; nothing is lost
    for who subscribes again from ``cursor``.
    """

    subscription: str
    seq: int
    cursor: str
    at: str
    type: EventType
    runtime: str | None
    execution: str | None
    data: dict[str, Any]


@api("events.subscribe", Effect.READ, errors=(InvalidParams, RuntimeNotFound, StaleCursor))
class EventsSubscribe(Call[Subscription], frozen=True, kw_only=True):
    """Receive every event after a cursor, once, in order, and then live.

    Events arrive as ``event`` notifications on this connection until it closes,
    ``events.unsubscribe`` or `lagged`.
    """

    since: Annotated[
        str | None,
        Meta(description="A cursor; absent or null: from now; the word 'start': from the first."),
    ] = None
    runtime: Annotated[str | None, Meta(description="Only of this runtime.")] = None
    execution: Annotated[
        str | None,
        Meta(description="Only of this execution: its whole id, which need not exist yet."),
    ] = None
    types: Annotated[list[EventType] | None, Meta(description="Only of these types.")] = None


@api("events.unsubscribe", Effect.READ, errors=(InvalidParams,))
class EventsUnsubscribe(Call[Nothing], frozen=True, kw_only=True):
    """End a subscription of this connection."""

    subscription: str
