"""``runt record``: say what is kept of the executions of others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from runt import completing, jsonout, render, session
from runt.failures import UsageFailure
from runt.ids import short
from runt.options import for_each, json_option, quiet_option

if TYPE_CHECKING:
    from typing import Any

_EVERYWHERE = "/"


@click.command("record")
@click.argument("record", type=click.Choice(["all", "metadata", "off"]))
@click.argument("runtimes", nargs=-1, metavar="[RUNTIME]...", shell_complete=completing.runtimes())
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False),
    metavar="PATH",
    help="All that work in this directory or below it, now and later.",
)
@quiet_option
@json_option
def command(
    record: str, runtimes: tuple[str, ...], directory: str | None, quiet: bool, as_json: bool
) -> int:
    """Keep all of what others run in RUNTIMEs, only its metadata (no code, no output), or nothing.

    Without RUNTIME and --dir: of all runtimes, now and later. What is run through runtimed is
    always kept. `runt help recording` tells more; `runt forget` deletes what is kept already.
    """
    if directory is not None and runtimes:
        raise UsageFailure("name runtimes or give --dir, not both")
    concerned: list[dict[str, Any]] = []

    def say(found: list[dict[str, Any]]) -> None:
        concerned.extend(found)
        for runtime in [] if as_json else found:
            shown = short(runtime["id"])
            click.echo(shown if quiet else f"recording of {shown}: {record}")

    def one(reference: str) -> None:
        say(session.call("runtime.record", {"runtime": reference, "record": record}))

    def below(place: str) -> None:
        found = session.call("runtime.record", {"directory": place, "record": record})
        if not (quiet or as_json):
            where = "everywhere" if place == _EVERYWHERE else f"below {render.home(place)}"
            click.echo(f"recording {where}: {record}")
        say(found)

    if runtimes:
        code = for_each(runtimes, one)
    else:
        code = for_each((_place(directory),), below)
    if as_json:
        jsonout.print_document("runtimes", concerned)
    return code


def _place(directory: str | None) -> str:
    """Return a directory as a kernel's working directory is known: its real path."""
    return _EVERYWHERE if directory is None else os.path.realpath(os.path.expanduser(directory))
