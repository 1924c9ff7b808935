"""What a subscriber receives: every change, with its place in the one order of all changes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import (
    AmbiguousReference,
    ExecutionNotFound,
    InvalidParams,
    RuntimeNotFound,
    StaleCursor,
)
from runtimed.api.types import Document, Nothing, Subscription

EventType = Literal["runtime", "execution", "output", "input", "gap", "notebook", "cell", "lagged"]


#: What the ``data`` of an event has, by its type.
DATA: dict[EventType, str] = {
    "runtime": "the fields of the runtime's document that changed",
    "execution": "the fields of the execution's document that changed",
    "output": "an operation, by its `op`: stream {name, text}, add {output}, clear {wait}, "
    "update {display_id, data, metadata}",
    "input": "what the execution waits for: {prompt, password}; `execution.input` answers it",
    "gap": "what is missing: {reason, from_at, to_at, count}",
    "notebook": "the notebook's document without cells, or {id, removed}; of what is read again "
    "from the store, {id, superseded} where a later event has the document",
    "cell": "the cell's document without outputs, or {id, removed}. Whoever keeps the cells "
    "takes out the one of this `id`, and puts it in at `index`. Of what is read again from the "
    "store, {id, index, superseded} where a later event has the document",
    "lagged": "{}: the subscription has ended, because its reader was too slow. Nothing is lost "
    "for who subscribes again from `cursor`",
}


class Event(Document):
    """One change. ``cursor`` resumes after it; ``seq`` orders it within its epoch."""

    subscription: str
    seq: int
    cursor: str
    at: str
    type: EventType
    runtime: str | None
    execution: str | None
    data: Annotated[
        dict[str, Any],
        Meta(description=" · ".join(f"{name}: {words}" for name, words in DATA.items())),
    ]
    notebook: str | None = None


@api(
    "events.subscribe",
    Effect.READ,
    errors=(
        InvalidParams,
        RuntimeNotFound,
        ExecutionNotFound,
        AmbiguousReference,
        StaleCursor,
    ),
    rest=(
        "GET /v0/events",
        "GET /v0/runtimes/{runtime}/attach",
        "GET /v0/executions/{execution}/events",
    ),
)
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
        Meta(description="Only of this execution. A whole id may be of one that is yet to come."),
    ] = None
    notebook: Annotated[
        str | None,
        Meta(
            description="Only of this notebook: its own changes, and the executions of its cells. "
            "A name that no notebook has is taken for an application's own, as in the `cell` of "
            "what it submits, and need not have been used yet: it is never an error."
        ),
    ] = None
    types: Annotated[list[EventType] | None, Meta(description="Only of these types.")] = None


@api("events.unsubscribe", Effect.READ, errors=(InvalidParams,))
class EventsUnsubscribe(Call[Nothing], frozen=True, kw_only=True):
    """End a subscription of this connection."""

    subscription: str
