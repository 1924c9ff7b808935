"""``runt socket``: the path of the daemon's socket."""

from __future__ import annotations

import click

from runt import jsonout
from runt.options import json_option, quiet_option
from runtimed.paths import socket_path


@click.command("socket")
@quiet_option
@json_option
def command(quiet: bool, as_json: bool) -> None:
    """Print the path of the daemon's socket, whether or not it is there."""
    if as_json:
        jsonout.print_document("socket", socket_path())
    else:
        click.echo(socket_path())
