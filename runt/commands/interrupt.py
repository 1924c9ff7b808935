"""``runt interrupt``: interrupt what runtimes are running."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, session
from runt.failures import NotFoundFailure
from runt.ids import short
from runt.options import for_each, json_option, quiet_option
from runtimed.client.connect import CallFailed


@click.command("interrupt")
@click.argument("references", nargs=-1, required=True, metavar="RUNTIME|EXECUTION...")
@quiet_option
@json_option
def command(references: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Interrupt what runtimes are running now, whoever submitted it; or just an execution."""
    interrupted: list[dict[str, Any]] = []

    def interrupt(reference: str) -> None:
        result = _interrupt(reference)
        interrupted.append(result)
        if as_json:
            return
        execution = short(result["execution"]) if result["execution"] else ""
        if quiet:
            click.echo(execution)
        elif result["how"] == "none":
            click.echo(f"runt: nothing is running in {reference}", err=True)
        else:
            done = "cancelled" if result["how"] == "cancelled" else "interrupted"
            click.echo(f"{done} {execution or reference}")

    code = for_each(references, interrupt)
    if as_json:
        jsonout.print_document("interrupted", interrupted)
    return code


def _interrupt(reference: str) -> Any:
    try:
        return session.call("runtime.interrupt", {"runtime": reference})
    except CallFailed as failure:
        if failure.name != "RuntimeNotFound":
            raise
    try:
        return session.call("execution.interrupt", {"execution": reference})
    except CallFailed as failure:
        if failure.name != "ExecutionNotFound":
            raise
    raise NotFoundFailure(f"neither an execution nor a runtime is called {reference}")
