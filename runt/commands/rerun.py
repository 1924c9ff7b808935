"""``runt rerun``: run the code of executions once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import completing, exits, jsonout, project, session
from runt.commands.eval import follow
from runt.ids import new_id, short
from runt.options import Seconds, json_option, quiet_option

if TYPE_CHECKING:
    from typing import Any


@click.command("rerun")
@click.argument("execution", shell_complete=completing.executions())
@click.option(
    "--in",
    "runtime",
    metavar="RUNTIME",
    help="Run it in this runtime instead of its own.",
    shell_complete=completing.runtimes(),
)
@click.option("--detach", "-d", is_flag=True, help="Print the new execution's id and leave.")
@click.option("--wait", type=Seconds(), metavar="SECONDS", help="Follow for so long; then 124.")
@quiet_option
@json_option
def command(
    execution: str,
    runtime: str | None,
    detach: bool,
    wait: float | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run the code of EXECUTION once more, as a new execution, and show it as `runt eval` does.

    It runs where it ran, while that lives; else in the runtime of the same project and kernel,
    which is started if need be, with this environment.
    """
    params: dict[str, Any] = {"execution": execution, "id": new_id()}
    params |= {"env": project.environment()} if runtime is None else {"runtime": runtime}
    submitted = session.call("execution.rerun", params)
    if detach:
        if as_json:
            jsonout.print_document("execution", submitted)
        else:
            click.echo(short(submitted["id"]))
        return exits.OK
    # Submitted again under its id it is the same one: from here on it is followed as any other.
    again = {
        "id": submitted["id"],
        "code": submitted["code"],
        "runtime": submitted["runtime"]["id"],
    }
    options = {"id": submitted["id"], "json": as_json, "quiet": quiet, "wait": wait}
    return follow(again, {**options, "raw": False, "value": None, "no_stdin": False, "rm": False})
