"""``runt completion``: the script with which a shell completes ``runt``."""

from __future__ import annotations

from importlib import resources

import click

from runt import jsonout
from runt.options import json_option, quiet_option


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@quiet_option
@json_option
def command(shell: str, quiet: bool, as_json: bool) -> None:
    """Print the completion script for SHELL; evaluate it, or save it where SHELL looks.

    Runtimes and executions are completed where a daemon runs; none is started.
    """
    script = resources.files("runt").joinpath("shells", f"runt.{shell}").read_text("utf-8")
    if as_json:
        jsonout.print_document("completion", script)
    elif not quiet:
        click.echo(script, nl=False)
