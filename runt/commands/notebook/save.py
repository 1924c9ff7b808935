"""``runt notebook save``: write a notebook to its file, or to another."""

from __future__ import annotations

import os

import click

from runt import completing, jsonout, session
from runt.ids import short
from runt.options import json_option, quiet_option
from runt.references import notebook_argument, notebook_reference


@click.command("save")
@notebook_argument
@click.argument("file", required=False, shell_complete=completing.files)
@click.option("--force", is_flag=True, help="Write over a file that somebody else has changed.")
@quiet_option
@json_option
def command(notebook: str, file: str | None, force: bool, quiet: bool, as_json: bool) -> None:
    """Write NOTEBOOK to its file; with FILE to that one, which is its file from then on."""
    path = None if file is None else os.path.abspath(file)
    params = {"notebook": notebook_reference(notebook), "path": path, "force": force}
    saved = session.call("notebook.save", params)
    if as_json:
        jsonout.print_document("notebook", saved)
    else:
        click.echo(short(saved["id"]) if quiet else f"saved {saved['path']}")
