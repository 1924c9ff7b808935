"""``runt output``: the text that an execution put out."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, session
from runt.ids import short
from runt.options import json_option, quiet_option


@click.command("output")
@click.argument("execution")
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the last N lines.")
@click.option("--grep", metavar="REGEX", help="Only lines that match (Python re).")
@click.option("--lines", type=click.IntRange(1, 100_000), metavar="N", help="N lines at most.")
@click.option("--cursor", type=click.IntRange(min=0), metavar="N", help="Begin at line N.")
@click.option("--mime", metavar="TYPE", help="Show rich outputs as this type where they have it.")
@quiet_option
@json_option
def command(execution: str, lines: int | None, quiet: bool, as_json: bool, **filters: Any) -> None:
    """Print what EXECUTION has put out so far, as text.

    With --lines or --tail one page, and its --json tells the cursor of the next; else all of it.
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
        click.echo(page["unfinished"].encode("utf-8", "replace"), nl=False)
    if as_json:
        whole = {**page, "lines": [line for one in pages for line in one["lines"]]}
        jsonout.print_document("output", whole)
    elif quiet:
        click.echo(short(page["execution"]))


def _print(page: dict[str, Any], *, quiet: bool, as_json: bool) -> None:
    if not (quiet or as_json) and page["lines"]:
        text = "\n".join(page["lines"]) + "\n"
        click.echo(text.encode("utf-8", "replace"), nl=False)
