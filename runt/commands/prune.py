"""``runt prune``: take all dead runtimes off the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import jsonout, render, session
from runt.ids import short
from runt.options import json_option, quiet_option

if TYPE_CHECKING:
    from typing import Any

COLUMNS: tuple[render.Column, ...] = (
    ("ID", lambda p: short(p["runtime"]) or "-"),
    ("Name", lambda p: p["name"] or "-"),
    ("Connection File", lambda p: render.home(p["connection_file"])),
    ("Why", lambda p: p["reason"]),
)


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@quiet_option
@json_option
def command(dry_run: bool, quiet: bool, as_json: bool) -> None:
    """Take all dead runtimes off the lists, and remove the connection files that they left.

    Only what is proven dead: nothing of a kernel that lives, or may. Executions stay in history.
    """
    params: dict[str, object] = {"dry_run": True} if dry_run else {}
    pruned = session.call("runtime.prune", params)
    if as_json:
        jsonout.print_document("pruned", pruned)
    elif quiet:
        click.echo("".join(f"{short(one['runtime'])}\n" for one in pruned), nl=False)
    else:
        if pruned:
            click.echo(render.listing(pruned, COLUMNS), nl=False)
        click.echo(f"runt: {_summary(pruned, dry_run=dry_run)}", err=True)


def _summary(pruned: list[dict[str, Any]], *, dry_run: bool) -> str:
    if not pruned:
        return "nothing is to be removed" if dry_run else "nothing was to be removed"
    return f"{len(pruned)} {'would be removed' if dry_run else 'removed'}"
