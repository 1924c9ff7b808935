"""``runt notebook list``: the notebooks that are open."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, render, session
from runt.ids import short
from runt.options import json_option, quiet_option

#: As many as one call may ask for.
PAGE = 1000
COLUMNS: tuple[render.Column, ...] = (
    ("ID", lambda n: short(n["id"])),
    ("Name", lambda n: n["name"]),
    ("Cells", lambda n: str(n["cell_count"])),
    ("Runtime", lambda n: n["runtime"]["name"] if n["runtime"] else "-"),
    ("State", lambda n: "changed" if n["is_changed"] else "saved"),
    ("Path", lambda n: render.home(n["path"])),
)


@click.command("list")
@quiet_option
@json_option
def command(quiet: bool, as_json: bool) -> None:
    """List the notebooks that are open, the latest first."""
    notebooks = _all()
    if as_json:
        jsonout.print_document("notebooks", notebooks)
    elif quiet:
        click.echo("".join(f"{short(notebook['id'])}\n" for notebook in notebooks), nl=False)
    else:
        click.echo(render.listing(notebooks, COLUMNS), nl=False)


def _all() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.call("notebook.list", {"limit": PAGE})
    page = found
    while len(page) == PAGE:
        page = session.call("notebook.list", {"before": page[-1]["id"], "limit": PAGE})
        found = found + page
    return found
