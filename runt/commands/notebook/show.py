"""``runt notebook show``: a notebook's cells with their outputs, as text."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, outputs, session
from runt.ids import short
from runt.options import json_option, quiet_option
from runt.references import notebook_argument, notebook_reference


@click.command("show")
@notebook_argument
@quiet_option
@json_option
def command(notebook: str, quiet: bool, as_json: bool) -> None:
    """Print the cells of NOTEBOOK, with what they show."""
    params = {"notebook": notebook_reference(notebook), "outputs": not quiet}
    found = session.call("notebook.get", params)
    if as_json:
        jsonout.print_document("notebook", found)
    elif quiet:
        click.echo("".join(f"{short(cell['id'])}\n" for cell in found["cells"]), nl=False)
    else:
        text = "\n".join(_cell(cell) for cell in found["cells"])
        click.echo(text.encode("utf-8", "replace"), nl=False)


def _cell(cell: dict[str, Any]) -> str:
    """Return a cell: what it is, its source, and the text of its outputs."""
    heading = f"--- {short(cell['id'])} {_what(cell)}\n"
    source = cell["src"] + "\n" if cell["src"] else ""
    shown = "".join(outputs.of_output(output)[1] for output in cell["outputs"] or ())
    if shown and not shown.endswith("\n"):
        shown += "\n"
    return heading + source + (f"---\n{shown}" if shown else "")


def _what(cell: dict[str, Any]) -> str:
    if cell["kind"] != "code":
        return str(cell["kind"])
    count, execution = cell["execution_count"], cell["execution"]
    label = "In [ ]" if count is None else f"In [{count}]"
    return label if execution is None else f"{label} {execution['status']}"
