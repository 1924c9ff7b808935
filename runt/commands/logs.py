"""``runt logs``: what a kernel's process wrote by itself."""

from __future__ import annotations

import click

from runt import jsonout, session
from runt.options import json_option, quiet_option


@click.command("logs")
@click.argument("runtime")
@click.option(
    "--tail-bytes",
    type=click.IntRange(0, 1 << 20),
    metavar="BYTES",
    help="So much of the end of each.",
)
@quiet_option
@json_option
def command(runtime: str, tail_bytes: int | None, quiet: bool, as_json: bool) -> None:
    """Print the end of what a kernel's process wrote by itself, not what its code printed.

    What it wrote to stdout comes on stdout, what it wrote to stderr on stderr.
    """
    params: dict[str, object] = {"runtime": runtime}
    if tail_bytes is not None:
        params["tail_bytes"] = tail_bytes
    page = session.call("runtime.logs", params)
    if as_json:
        jsonout.print_document("logs", page)
    elif quiet:
        click.echo(page["runtime"])
    else:
        click.echo(page["stdout"], nl=False)
        click.echo(page["stderr"], nl=False, err=True)
