"""``runt export``: what ran in a runtime, as a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from runt import completing, destination, jsonout, session
from runt.commands.history import filter_parameters, of_notebook
from runt.export_forms import form_options
from runt.failures import UsageFailure
from runt.ids import short
from runt.options import json_option, quiet_option, whose_option

if TYPE_CHECKING:
    from typing import Any

#: Extension of --output → what it is, where no option says.
_BY_EXTENSION = {".ipynb": "ipynb", ".py": "py", ".md": "md", ".html": "html", ".htm": "html"}


@click.command("export")
@click.argument("runtime", shell_complete=completing.runtimes("all"))
@form_options
@click.option(
    "--output",
    "-o",
    "file",
    metavar="FILE",
    shell_complete=completing.files,
    help="Write to FILE, or into that directory; - is stdout.",
)
@click.option("--since", metavar="WHEN", help="Only from then on: RFC 3339, or how long ago (2d).")
@click.option("--until", metavar="WHEN", help="Only before: as --since.")
@click.option("--only", type=click.Choice(["ok"]), help="ok: only what ended without an error.")
@whose_option
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@quiet_option
@json_option
def command(
    runtime: str,
    form: str | None,
    file: str | None,
    only: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Write what ran in RUNTIME as a notebook: each execution a cell, with what it showed.

    RUNTIME may be dead, removed, or somebody else's; the path of a notebook means the latest
    kernel that it had. Without -o the file is called after the runtime, here; to a pipe it is
    printed.
    """
    form = form or _BY_EXTENSION.get(os.path.splitext(file or "")[1].lower(), "ipynb")
    if as_json and file not in (None, destination.STDOUT):
        raise UsageFailure("--json prints the document; --output writes it to a file")
    params: dict[str, Any] = filter_parameters(status=("done",) if only else (), **filters)
    params |= {"runtime": _meant(runtime), "format": "ipynb" if form == "html" else form}
    exported = session.call_again("runtime.export", params)
    if form == "html":
        from runt.html import page

        name = os.path.splitext(exported["name"])[0] + ".html"
        exported = {"format": form, "name": name, "text": page(exported["text"])}
    if as_json:
        jsonout.print_document("export", exported)
        return
    destination.put(exported["text"], exported["name"], file, force=force, quiet=quiet)


def _meant(reference: str) -> str:
    """Return the runtime that is meant; of a notebook's the youngest, and the others are named."""
    if not reference.endswith(".ipynb"):
        return reference
    runtimes = session.call("runtime.list", {"all": True})
    found = sorted(of_notebook(runtimes, reference, os.path.realpath(reference)), reverse=True)
    if not found:
        return reference
    if found[1:]:
        earlier = ", ".join(short(id) for id in found[1:])
        click.echo(f"runt: of the kernel {short(found[0])}; earlier ones: {earlier}", err=True)
    return found[0]
