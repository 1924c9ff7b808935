"""``runt pin``: keep the outputs of executions, however much room is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import completing, jsonout, session
from runt.ids import short
from runt.options import for_each, json_option, quiet_option

if TYPE_CHECKING:
    from typing import Any


@click.command("pin")
@click.argument(
    "executions",
    nargs=-1,
    required=True,
    metavar="EXECUTION...",
    shell_complete=completing.executions(),
)
@quiet_option
@json_option
def command(executions: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Keep the outputs of EXECUTIONs: they are not removed to make room.

    `runt history --pinned` lists what is pinned, `runt forget` deletes it all the same.
    """
    return change("execution.pin", "pinned", executions, quiet=quiet, as_json=as_json)


def change(
    method: str, done: str, executions: tuple[str, ...], *, quiet: bool, as_json: bool
) -> int:
    """Pin or unpin each, and say so."""
    documents: list[dict[str, Any]] = []

    def one(reference: str) -> None:
        execution = session.call(method, {"execution": reference})
        documents.append(execution)
        if not as_json:
            shown = short(execution["id"])
            click.echo(shown if quiet else f"{done} {shown}")

    code = for_each(executions, one)
    if as_json:
        jsonout.print_document("executions", documents)
    return code
