"""``runt rm``: take dead runtimes off the lists."""

from __future__ import annotations

import click

from runt import jsonout, session
from runt.options import for_each, json_option, quiet_option, runtimes_argument


@click.command("rm")
@runtimes_argument
@quiet_option
@json_option
def command(runtimes: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Take dead runtimes off the lists. Their executions stay in history."""
    removed = []

    def remove(reference: str) -> None:
        session.call("runtime.remove", {"runtime": reference})
        removed.append(reference)
        if not as_json:
            click.echo(reference if quiet else f"removed {reference}")

    code = for_each(runtimes, remove)
    if as_json:
        jsonout.print_document("removed", removed)
    return code
