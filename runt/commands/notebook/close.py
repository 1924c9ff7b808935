"""``runt notebook close``: take a notebook off the list."""

from __future__ import annotations

import click

from runt import jsonout, session
from runt.failures import ConflictFailure
from runt.ids import short
from runt.options import json_option, quiet_option
from runt.references import notebook_argument, notebook_reference


@click.command("close")
@notebook_argument
@click.option("--force", is_flag=True, help="Also where something of it is in no file.")
@quiet_option
@json_option
def command(notebook: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Close NOTEBOOK. Its file, what it ran, and its runtime stay; what is not saved is gone."""
    found = session.call("notebook.get", {"notebook": notebook_reference(notebook)})
    if found["is_changed"] and found["cells"] and not force:
        raise ConflictFailure(
            f"{found['name']} has changed; `runt notebook save {short(found['id'])}` saves it, "
            "--force closes it as it is"
        )
    # It may have changed between the question and the answer.
    given = {"notebook": found["id"], "if_match": found["etag"]}
    session.call("notebook.delete", given if force else given | {"if_saved": bool(found["cells"])})
    if as_json:
        jsonout.print_document("notebook", found)
    else:
        click.echo(short(found["id"]) if quiet else f"closed {short(found['id'])}")
