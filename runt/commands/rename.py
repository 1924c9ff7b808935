"""``runt rename``: give a runtime another name."""

from __future__ import annotations

import click

from runt import completing, jsonout, session
from runt.ids import short
from runt.options import json_option, quiet_option


@click.command("rename")
@click.argument("runtime", shell_complete=completing.runtimes("all"))
@click.argument("name")
@quiet_option
@json_option
def command(runtime: str, name: str, quiet: bool, as_json: bool) -> None:
    """Give RUNTIME another NAME."""
    renamed = session.call("runtime.rename", {"runtime": runtime, "name": name})
    if as_json:
        jsonout.print_document("runtime", renamed)
    else:
        click.echo(short(renamed["id"]) if quiet else f"renamed {short(renamed['id'])}")
