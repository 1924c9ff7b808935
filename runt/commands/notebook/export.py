"""``runt notebook export``: a notebook as it is now, as a file."""

from __future__ import annotations

import os

import click

from runt import completing, destination, jsonout, session
from runt.export_forms import form_options
from runt.failures import UsageFailure
from runt.options import json_option, quiet_option
from runt.references import notebook_argument, notebook_reference


@click.command("export")
@notebook_argument
@form_options
@click.option(
    "--output",
    "-o",
    "file",
    metavar="FILE",
    shell_complete=completing.files,
    help="Write to FILE, or into that directory; - is stdout.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@quiet_option
@json_option
def command(
    notebook: str, form: str | None, file: str | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Write NOTEBOOK as it is now to another file; its own is not touched.

    Without -o the file is called after the notebook, here; to a pipe it is printed.
    """
    if as_json and file is not None:
        raise UsageFailure("--json prints the document; --output writes it to a file")
    form = form or "ipynb"
    params = {
        "notebook": notebook_reference(notebook),
        "format": "ipynb" if form == "html" else form,
    }
    exported = session.call("notebook.export", params)
    if form == "html":
        from runt.html import page

        name = os.path.splitext(exported["name"])[0] + ".html"
        exported = {"format": form, "name": name, "text": page(exported["text"])}
    if as_json:
        jsonout.print_document("export", exported)
        return
    destination.put(exported["text"], exported["name"], file, force=force, quiet=quiet)
