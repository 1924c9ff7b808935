"""``runt completion``: the script with which a shell completes ``runt``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from runt import jsonout
from runt.options import json_option, quiet_option


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@quiet_option
@json_option
def command(shell: str, quiet: bool, as_json: bool) -> None:
    """Print the completion script for SHELL; source it, or save it where SHELL looks."""
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 (click has these three)
    script = found(click.get_current_context().find_root().command, {}, "runt", "_RUNT_COMPLETE")
    if as_json:
        jsonout.print_document("completion", script.source())
    elif not quiet:
        click.echo(script.source())
