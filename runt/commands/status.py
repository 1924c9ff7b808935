"""``runt status``: what the daemon holds and uses."""

from __future__ import annotations

import click

from runt import jsonout, render, session
from runt.options import json_option, quiet_option


@click.command("status")
@quiet_option
@json_option
def command(quiet: bool, as_json: bool) -> None:
    """Say what the daemon holds and uses. Starts nothing; exits 5 where none answers."""
    status = session.call("daemon.status", {}, start=False)
    if as_json:
        jsonout.print_document("status", status)
    elif quiet:
        click.echo(status["pid"])
    else:
        click.echo(render.fields(status), nl=False)
