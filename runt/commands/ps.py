"""``runt ps``: list the runtimes."""

from __future__ import annotations

import click

from runt import jsonout, render, session
from runt.ids import short
from runt.options import json_option, quiet_option


@click.command("ps")
@click.option("-a", "--all", "all_", is_flag=True, help="Dead ones too.")
@click.option("--kernel", "-k", metavar="NAME", help="Only those of this kernel name.")
@click.option("--wide", "-w", is_flag=True, help="All columns, however wide.")
@quiet_option
@json_option
def command(all_: bool, kernel: str | None, wide: bool, quiet: bool, as_json: bool) -> None:
    """List the runtimes. Starts nothing."""
    params: dict[str, object] = {"all": all_}
    if kernel is not None:
        params["kernel"] = kernel
    runtimes = session.call("runtime.list", params, start=False)
    if as_json:
        jsonout.print_document("runtimes", runtimes)
    elif quiet:
        click.echo("".join(f"{short(runtime['id'])}\n" for runtime in runtimes), nl=False)
    else:
        columns = render.RUNTIME_COLUMNS + (render.WIDE_COLUMNS if wide else ())
        click.echo(render.listing(runtimes, columns, drop=not wide), nl=False)
