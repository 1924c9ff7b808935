"""``runt attach``: the events of a runtime or an execution, as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import completing, exits, jsonout, outputs, session
from runt.commands.show import find
from runt.feed import Feed
from runt.ids import short
from runt.options import json_option, quiet_option
from runt.shows import Shows, ended_sentence, gap_sentence
from runt.writer import StdoutLost, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Event = dict[str, Any]


@click.command("attach")
@click.argument("id", shell_complete=completing.either(completing.runtimes(), completing.pending()))
@click.option(
    "--since",
    metavar="CURSOR",
    help="Everything after this cursor, then live; "
    "the word start: from the first. Without it an execution is shown from its "
    "beginning, and a runtime from now.",
)
@quiet_option
@json_option
def command(id: str, since: str | None, quiet: bool, as_json: bool) -> int:
    """Show what happens in a runtime or an execution, until it is over.

    It changes nothing, and leaving it (Ctrl-C) does not either. Attached to an execution, it
    exits as `runt eval` would have.
    """
    noun, document = find(id)
    display = _Display(quiet=quiet, as_json=as_json, of_runtime=noun == "runtime")
    try:
        for event in follow(noun, document["id"], since):
            display.show(event)
        if noun == "runtime":
            return exits.OK
        return _exit_code(document["id"], quiet=as_json)
    except StdoutLost as lost:
        raise lost.error from None


def follow(noun: str, id: str, since: str | None) -> Iterator[Event]:
    """Iterate over the events of an execution or a runtime, until it is over and all were seen."""
    if since is None and noun == "execution":
        since = "start"
    feed = Feed(session.connect, {noun: id}, since=since)
    feed.open()
    try:
        while feed.cursor is None:
            yield from feed.receive()
        while not _is_over(noun, id):
            ending = False
            while not ending:
                for event in feed.receive():
                    ending = ending or _may_end(noun, event)
                    yield event
        cursor = feed.cursor
    finally:
        feed.close()
    yield from _stored(noun, id, cursor)


def _may_end(noun: str, event: Event) -> bool:
    """Say whether it may be over after this event."""
    status = event["data"].get("status")
    if event["type"] == "execution":
        return status in exits.BY_STATUS
    return noun == "runtime" and event["type"] == "runtime" and status == "dead"


def _is_over(noun: str, id: str) -> bool:
    """Say whether nothing more will happen. A dead runtime may have ends to record still."""
    if noun == "execution":
        execution = session.call_again("execution.get", {"execution": id, "outputs": False})
        return execution["status"] in exits.BY_STATUS
    if session.call_again("runtime.get", {"runtime": id})["status"] != "dead":
        return False
    running = {"runtime": id, "status": ["running", "waiting_input"], "limit": 1}
    return not session.call_again("execution.list", running)


def _stored(noun: str, id: str, since: str | None) -> Iterator[Event]:
    """Iterate over what is stored after the cursor, and end there.

    The end shows only in the sequence of all events, so this subscription has no filter.
    """
    newest = session.call_again("daemon.status", {})["cursor"]
    if since == newest:
        return
    feed = Feed(session.connect, {}, since=since)
    feed.open()
    try:
        while True:
            for event in feed.receive():
                if event[noun] == id:
                    yield event
                if event["cursor"] == newest:
                    return
    finally:
        feed.close()


def _exit_code(id: str, *, quiet: bool) -> int:
    execution = session.call_again("execution.get", {"execution": id})
    sentence = ended_sentence(id, execution["status"], execution["reason"])
    if sentence and not quiet:
        click.echo(f"runt: {sentence}", err=True)
    return exits.of_document(execution)


class _Display:
    """Events as lines of JSON, or as text: the outputs, and of a runtime who begins and ends."""

    def __init__(self, *, quiet: bool, as_json: bool, of_runtime: bool) -> None:
        self._quiet = quiet
        self._as_json = as_json
        self._of_runtime = of_runtime
        self._writer = Writer()
        self._shows = Shows()
        self._seen: set[str] = set()
        self._statuses: dict[str, str] = {}

    def show(self, event: Event) -> None:
        """Print an event. Raises `StdoutLost`."""
        if self._as_json:
            event = {name: value for name, value in event.items() if name != "subscription"}
            self._writer.put(1, jsonout.line({"schema": jsonout.SCHEMA, **event}))
        elif self._quiet:
            execution = event["execution"]
            if execution is not None and execution not in self._seen:
                self._seen.add(execution)
                self._writer.put(1, f"{short(execution)}\n")
        else:
            self._show_text(event)
        self._writer.flush()

    def _show_text(self, event: Event) -> None:
        data = event["data"]
        if event["type"] == "output":
            self._shows.show(self._writer, _whole(data))
        elif event["type"] == "gap":
            self._writer.put_line(2, f"runt: {gap_sentence(data)}\n")
        elif event["type"] == "input":
            self._writer.put_line(2, f"{short(event['execution'])} asks: {data['prompt']}\n")
        elif self._of_runtime and "status" in data:
            self._show_status(event["execution"] or event["runtime"], data)

    def _show_status(self, id: str, change: dict[str, Any]) -> None:
        """Say a new status. Of other changes, events repeat the status that it had."""
        status = change["status"]
        if self._statuses.get(id) == status:
            return
        self._statuses[id] = status
        code = (change.get("code") or "").strip()
        line = f"{short(id)} {status}" + (f": {code.splitlines()[0]}" if code else "")
        self._writer.put_line(1, line + "\n")


def _whole(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the operation with the text that lies in blobs."""
    found = {
        reference["blob"]: outputs.of_blob(
            reference, session.call_again("blob.get", {"sha256": reference["blob"]})["data"]
        )
        for reference in outputs.blobs(operation)
    }
    whole: dict[str, Any] = outputs.with_blobs(operation, found)
    return whole
