"""Events as a page of Markdown: what comes, how one asks for it, in both protocols."""

from __future__ import annotations

from typing import Any

from runtimed.api.events import DATA, EventsSubscribe
from runtimed.api.markdown import GENERATED, table, type_words

_ABOUT = """\
Everything that changes is an event, with its place in the one order of all changes. Who
subscribes gets every event after a cursor, once and in order, and then live; a connection that is
lost is taken up again after the last cursor, across restarts of the daemon too. Types and members
that a client does not know are to be ignored.
"""
_SUBSCRIBE = """\
**JSON-RPC**: [`events.subscribe`](api.md#eventssubscribe) answers with the subscription and the
cursor that it begins at; then each event is a notification `event` on that connection, until it
closes or [`events.unsubscribe`](api.md#eventsunsubscribe).

**HTTP**: server-sent events, with the cursor as `id`, the type as `event`, and the whole event as
`data`. `Last-Event-ID` stands for `since`. A comment comes where nothing happens for a while
(`event_heartbeat_s`).
"""
_PLACES = {
    "GET /v0/events": "what comes next, or after `since`",
    "GET /v0/runtimes/{runtime}/attach": "the runtime's document, then what comes next",
    "GET /v0/executions/{execution}/events": "the execution's first event; ends once it is final",
}
_OUTPUTS = """\
The outputs of an execution are its `output` events, folded in order as a notebook shows them:
pieces of a stream are joined, `clear` with `wait` waits for the next output, `update` replaces
every display of that `display_id`, those of earlier executions included. Values over the blob
limit are [references](api.md#blobref), to be fetched with [`blob.get`](api.md#blobget).
"""


def page(document: dict[str, Any]) -> str:
    """Return the page, of the OpenRPC document."""
    event = document["components"]["schemas"]["Event"]
    (subscribe,) = (m for m in document["methods"] if m["name"] == EventsSubscribe.method)
    members = [
        [f"`{name}`", type_words(schema, "api.md"), _words(name, schema)]
        for name, schema in event["properties"].items()
    ]
    filters = [
        [f"`{one['name']}`", type_words(one["schema"], "api.md"), one.get("description", "")]
        for one in subscribe["params"]
    ]
    return "\n".join(
        (
            GENERATED,
            "# Events\n",
            _ABOUT,
            table(["Type", "`data`"], [[f"`{name}`", words] for name, words in DATA.items()]),
            "## Outputs\n",
            _OUTPUTS,
            "## Members\n",
            table(["Member", "Type", ""], members),
            "## Subscribe\n",
            _SUBSCRIBE,
            table(["Parameter", "Type", ""], filters),
            table(
                ["Request", "Begins with"],
                [[f"`{place}`", _PLACES[place]] for place in EventsSubscribe.rest],
            ),
        )
    )


def _words(name: str, schema: dict[str, Any]) -> str:
    return "by its type, above" if name == "data" else str(schema.get("description", ""))
