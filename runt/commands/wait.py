"""``runt wait``: wait until executions are final."""

from __future__ import annotations

import time
from typing import Any

import click

from runt import exits, jsonout, session
from runt.ids import short
from runt.options import Seconds, executions_argument, for_each, json_option, quiet_option
from runt.shows import ended_sentence


@click.command("wait")
@executions_argument
@click.option(
    "--wait",
    "wait_s",
    type=Seconds(),
    metavar="SECONDS",
    help="Wait so long at most, for all of them; then exit 124.",
)
@quiet_option
@json_option
def command(executions: tuple[str, ...], wait_s: float | None, quiet: bool, as_json: bool) -> int:
    """Wait until executions are final. Exits as `runt eval` would have."""
    deadline = None if wait_s is None else time.monotonic() + wait_s
    documents: list[dict[str, Any]] = []

    def wait(reference: str) -> int:
        params: dict[str, object] = {"execution": reference}
        if deadline is not None:
            params["wait_s"] = max(0.0, deadline - time.monotonic())
        execution = session.call_again("execution.wait", params)
        documents.append(execution)
        if not as_json:
            click.echo(short(execution["id"]) + ("" if quiet else f" {execution['status']}"))
        return exit_code(execution)

    code = for_each(executions, wait)
    if as_json:
        jsonout.print_document("executions", documents)
    return code


def exit_code(execution: dict[str, Any]) -> int:
    """Return the exit code for an execution that was waited for, and say what there is to say."""
    id, status = execution["id"], execution["status"]
    if status not in exits.BY_STATUS:
        why = f": {execution['reason']}" if execution.get("detached") else ""
        click.echo(f"{short(id)} still running{why}", err=True)
    elif sentence := ended_sentence(id, status, execution["reason"]):
        click.echo(f"runt: {sentence}", err=True)
    return exits.of_document(execution)
