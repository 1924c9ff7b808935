"""``runt show``: the document of an execution or a runtime."""

from __future__ import annotations

from typing import Any

import click

from runt import completing, jsonout, render, session
from runt.failures import NotFoundFailure
from runt.ids import short
from runt.options import json_option, quiet_option
from runtimed.client.connecting import CallFailed


@click.command("show")
@click.argument(
    "id",
    shell_complete=completing.either(completing.runtimes("all"), completing.executions()),
)
@quiet_option
@json_option
def command(id: str, quiet: bool, as_json: bool) -> None:
    """Print the document of an execution, or of a runtime, member by member."""
    noun, document = find(id)
    if as_json:
        jsonout.print_document(noun, document)
    elif quiet:
        click.echo(short(document["id"]))
    else:
        click.echo(render.fields(document).encode("utf-8", "replace"), nl=False)


def find(id: str) -> tuple[str, dict[str, Any]]:
    """Return the execution or the runtime that is called so, and which of both it is."""
    try:
        return "execution", session.call("execution.get", {"execution": id})
    except CallFailed as failure:
        if failure.name != "ExecutionNotFound":
            raise
    try:
        return "runtime", session.call("runtime.get", {"runtime": id})
    except CallFailed as failure:
        if failure.name != "RuntimeNotFound":
            raise
    raise NotFoundFailure(f"neither an execution nor a runtime is called {id}")
