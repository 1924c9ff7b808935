"""``runt notebook open``: have the daemon read a file."""

from __future__ import annotations

import os

import click

from runt import completing, jsonout, session
from runt.ids import short
from runt.options import json_option, quiet_option


@click.command("open")
@click.argument("file", shell_complete=completing.files)
@click.option("--force", is_flag=True, help="Read it again, and drop what was not saved.")
@quiet_option
@json_option
def command(file: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Open FILE: .ipynb, or a script with `# %%` cells. One that is open is looked at again."""
    path = os.path.abspath(file)
    notebook = session.call("notebook.open", {"path": path, "force": force})
    if as_json:
        jsonout.print_document("notebook", notebook)
    elif quiet:
        click.echo(short(notebook["id"]))
    else:
        click.echo(f"opened {short(notebook['id'])} ({notebook['cell_count']} cells)")
