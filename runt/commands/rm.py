"""``runt rm``: take dead runtimes off the lists."""

from __future__ import annotations

import click

from runt import jsonout, session
from runt.ids import short
from runt.options import for_each, json_option, quiet_option, runtimes_argument
from runtimed.client.connecting import CallFailed


@click.command("rm")
@runtimes_argument("dead")
@quiet_option
@json_option
def command(runtimes: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Take dead runtimes off the lists. Their executions stay in history."""
    removed = []

    def remove(reference: str) -> None:
        shown = _short_id(reference)
        session.call("runtime.remove", {"runtime": reference})
        removed.append(reference)
        if not as_json:
            click.echo(shown if quiet else f"removed {shown}")

    code = for_each(runtimes, remove)
    if as_json:
        jsonout.print_document("removed", removed)
    return code


def _short_id(reference: str) -> str:
    """Return the short id of what is meant; where there is none, removing it says why."""
    try:
        return short(session.call("runtime.get", {"runtime": reference})["id"])
    except CallFailed:
        return reference
