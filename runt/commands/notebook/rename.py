"""``runt notebook rename``: give a notebook another name."""

from __future__ import annotations

import click

from runt import jsonout, session
from runt.ids import short
from runt.options import json_option, quiet_option
from runt.references import notebook_argument, notebook_reference


@click.command("rename")
@notebook_argument
@click.argument("name")
@quiet_option
@json_option
def command(notebook: str, name: str, quiet: bool, as_json: bool) -> None:
    """Give NOTEBOOK another NAME. Its file stays what it is; `save` with a FILE makes another."""
    params = {"notebook": notebook_reference(notebook), "name": name}
    renamed = session.call("notebook.rename", params)
    if as_json:
        jsonout.print_document("notebook", renamed)
    else:
        click.echo(short(renamed["id"]) if quiet else f"renamed {short(renamed['id'])}")
