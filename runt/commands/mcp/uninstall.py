"""``runt mcp uninstall``: take runt out of an MCP client's configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout, project
from runt.commands.mcp.client_options import client_of, client_options, place_of, shown
from runt.options import json_option

if TYPE_CHECKING:
    from typing import Any


@click.command("uninstall")
@client_options
@click.option(
    "--project", "directory", type=click.Path(), metavar="DIR", help="Whose file, else this one's."
)
@json_option
def command(client: str, where: str, name: str, directory: str | None, as_json: bool) -> int:
    """Take runt out of an MCP client's own configuration. Everything else in it stays.

    What agents have started goes on; `runt stop --by mcp` ends it.
    """
    from runt.mcp_clients import editing, files

    found = client_of(client)
    here = None if where == "user" else project.find(os.path.expanduser(directory or project.cwd()))
    path = place_of(found, where, here)

    backup = None
    if os.path.exists(path):
        backup = files.change(path, lambda text: editing.take_out(found, text, name, path))
    if as_json:
        document: dict[str, Any] = {"client": found.name, "file": path, "name": name}
        document |= {"changed": backup is not None, "backup": backup}
        jsonout.print_document("mcp", document)
    elif backup is None:
        click.echo(f"{shown(path)} has no server {name!r}")
    else:
        click.echo(f"took {name!r} out of {shown(path)} (as it was: {shown(backup)})")
    return exits.OK
