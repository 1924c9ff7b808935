"""``runt show``: the document of an execution or a runtime."""

from __future__ import annotations

from typing import Any

import click

from runt import completing, jsonout, presenting, render, session
from runt.failures import NotFoundFailure, UsageFailure
from runt.ids import short
from runt.options import json_option, presentation_options, quiet_option
from runtimed.client.connecting import CallFailed


@click.command("show")
@click.argument(
    "id",
    shell_complete=completing.either(completing.runtimes("all"), completing.executions()),
)
@presentation_options
@quiet_option
@json_option
def command(id: str, quiet: bool, as_json: bool, **form: Any) -> None:
    """Print the document of an execution, or of a runtime, member by member.

    With --format or --max-chars, an execution's code and what it has put out, as `runt output`
    prints it.
    """
    noun, document = find(id)
    if any(value is not None for value in form.values()):
        presenting.check({**form, "json": as_json})
        if noun != "execution":
            raise UsageFailure("a runtime has no output; `runt history --runtime` has what it ran")
        if quiet:
            raise UsageFailure("--quiet prints the id alone")
        presenting.present(document["id"], {**form, "json": as_json}, document, remarks=True)
        return
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
