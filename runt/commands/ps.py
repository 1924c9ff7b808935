"""``runt ps``: list the runtimes."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, render, session
from runt.ids import short
from runt.options import json_option, quiet_option
from runtimed.client.connecting import CallFailed


@click.command("ps")
@click.option("-a", "--all", "all_", is_flag=True, help="Dead ones too.")
@click.option("--kernel", "-k", metavar="NAME", help="Only those of this kernel name.")
@click.option(
    "--origin",
    type=click.Choice(["adopted", "launched"]),
    help="Only those that others started, or that runtimed did.",
)
@click.option(
    "--by",
    metavar="NAME",
    help="Only those that this agent, or this kind of client, has started: `mcp` is all of MCP.",
)
@click.option("--wide", "-w", is_flag=True, help="All columns, however wide.")
@quiet_option
@json_option
def command(
    all_: bool,
    kernel: str | None,
    origin: str | None,
    by: str | None,
    wide: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """List the runtimes, whoever started them. Starts nothing."""
    params: dict[str, object] = {"all": all_}
    if kernel is not None:
        params["kernel"] = kernel
    if origin is not None:
        params["origin"] = origin
    if by is not None:
        params["by"] = by
    runtimes = session.call("runtime.list", params, start=False)
    if as_json:
        jsonout.print_document("runtimes", runtimes)
    elif quiet:
        click.echo("".join(f"{short(runtime['id'])}\n" for runtime in runtimes), nl=False)
    else:
        click.echo(render.listing(runtimes, _columns(runtimes, wide), drop=not wide), nl=False)
        if any(_is_recorded(runtime) for runtime in runtimes):
            _announce()


def _columns(runtimes: list[dict[str, Any]], wide: bool) -> tuple[render.Column, ...]:
    columns = render.RUNTIME_COLUMNS + (render.WIDE_COLUMNS if wide else ())
    if any(render.last_words(runtime) for runtime in runtimes):
        columns += (render.WORDS_COLUMN,)
    if wide and any(runtime.get("record", "all") != "all" for runtime in runtimes):
        columns += (render.RECORD_COLUMN,)
    if wide and any(runtime.get("shared") for runtime in runtimes):
        columns += (render.SHARED_COLUMN,)
    return columns


def _is_recorded(runtime: dict[str, Any]) -> bool:
    """Say whether what others run in it is written down."""
    return runtime.get("origin") == "adopted" and runtime.get("record", "all") != "off"


def _announce() -> None:
    """Say on stderr what the daemon has not yet had said: once in the life of its state.

    Not with --json or -q: those are for programs, and a program would use up what is for people.
    """
    try:
        sentences = session.call("daemon.announce", {}, start=False)
    except CallFailed:
        return  # The list is there; what was not said is said the next time.
    for sentence in sentences:
        click.echo(f"runt: {sentence}", err=True)
