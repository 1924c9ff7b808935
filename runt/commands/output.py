"""``runt output``: the text that an execution put out."""

from __future__ import annotations

import sys
from typing import Any

import click

from runt import completing, jsonout, session
from runt.ids import short
from runt.options import json_option, quiet_option
from runt.outputs import size
from runt.shows import gap_sentence, takes_colour
from runtimed.model.text import without_ansi


@click.command("output")
@click.argument("execution", shell_complete=completing.executions())
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the last N lines.")
@click.option("--grep", metavar="REGEX", help="Only lines that match (Python re), colours aside.")
@click.option("--lines", type=click.IntRange(1, 100_000), metavar="N", help="N lines at most.")
@click.option("--cursor", type=click.IntRange(min=0), metavar="N", help="Begin at line N.")
@click.option("--mime", metavar="TYPE", help="Show rich outputs as this type where they have it.")
@quiet_option
@json_option
def command(execution: str, lines: int | None, quiet: bool, as_json: bool, **filters: Any) -> None:
    """Print what EXECUTION has put out so far, as text.

    With --lines or --tail one page, and its --json tells the cursor of the next; else all of it.
    Colours, and whatever else is an ANSI sequence, are for terminals and for --json. Where output
    did not reach us, stderr says so.
    """
    params = {name: value for name, value in filters.items() if value is not None}
    params["execution"] = execution
    if lines is not None:
        params["lines"] = lines
    one_page = lines is not None or "tail" in params
    page = session.call("execution.output", params)
    pages = [page]
    _print(page, quiet=quiet, as_json=as_json)
    while page["more"] and not one_page:
        page = session.call("execution.output", {**params, "cursor": page["cursor"]})
        pages.append(page)
        _print(page, quiet=quiet, as_json=as_json)
    if page.get("unfinished") and not (quiet or as_json):
        _echo(page["unfinished"])
    if as_json:
        whole = {**page, "lines": [line for one in pages for line in one["lines"]]}
        jsonout.print_document("output", whole)
    elif quiet:
        click.echo(short(page["execution"]))
    else:
        _say_what_is_missing(page)


def _say_what_is_missing(page: dict[str, Any]) -> None:
    if page.get("gap"):
        click.echo(f"runt: {gap_sentence(page['gap'])}", err=True)
    if removed := page.get("outputs_removed"):
        what = f"{size(removed['size_bytes'])} of output were removed {removed['reason']}"
        click.echo(f"runt: {what}, at {removed['at']}", err=True)


def _print(page: dict[str, Any], *, quiet: bool, as_json: bool) -> None:
    if not (quiet or as_json) and page["lines"]:
        _echo("\n".join(page["lines"]) + "\n")


def _echo(text: str) -> None:
    """Print it as it is; not by `click.echo`, which has its own idea of who takes colours."""
    if not takes_colour(1):
        text = without_ansi(text)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
