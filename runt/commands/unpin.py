"""``runt unpin``: let the outputs of executions be removed again where room is needed."""

from __future__ import annotations

import click

from runt import completing
from runt.commands.pin import change
from runt.options import json_option, quiet_option


@click.command("unpin")
@click.argument(
    "executions",
    nargs=-1,
    required=True,
    metavar="EXECUTION...",
    shell_complete=completing.executions(),
)
@quiet_option
@json_option
def command(executions: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Let the outputs of EXECUTIONs be removed again where room is needed."""
    return change("execution.unpin", "unpinned", executions, quiet=quiet, as_json=as_json)
