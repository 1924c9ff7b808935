"""``runt forget``: delete what is recorded of runtimes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from runt import jsonout, session
from runt.failures import Failure, UsageFailure
from runt.ids import short
from runt.options import for_each, json_option, quiet_option, runtimes_argument
from runt.when import moment

if TYPE_CHECKING:
    from typing import Any


@click.command("forget")
@runtimes_argument("all")
@click.option(
    "--since",
    metavar="WHEN",
    help="Only what was submitted from then on: RFC 3339, or how long ago (2h, 3d).",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@quiet_option
@json_option
def command(
    runtimes: tuple[str, ...], since: str | None, yes: bool, quiet: bool, as_json: bool
) -> int:
    """Delete what is recorded of RUNTIMEs: executions that have ended, their outputs and events.

    It asks first; where stdin is no terminal it wants --yes. It cannot be undone.
    """
    asks = not yes
    if asks and not os.isatty(0):
        raise UsageFailure("there is no terminal to ask at; --yes deletes without asking")
    params = {} if since is None else {"since": moment(since, datetime.now(UTC))}
    forgotten: list[dict[str, Any]] = []

    def forget(reference: str) -> None:
        runtime = session.call("runtime.get", {"runtime": reference})
        shown = short(runtime["id"])
        if asks:
            if not _confirmed(runtime, params.get("since")):
                raise Failure(f"nothing of {shown} was forgotten")
            reference = runtime["id"]  # this one, and no other of its name
        result = session.call("runtime.forget", {"runtime": reference, **params})
        for notice in result.get("notices", ()):
            click.echo(f"runt: {shown}: {notice}", err=True)
        forgotten.append({"runtime": runtime["id"], **result})
        if not as_json:
            click.echo(shown if quiet else f"forgot {_counted(result['executions'])} of {shown}")

    code = for_each(runtimes, forget)
    if as_json:
        jsonout.print_document("forgotten", forgotten)
    return code


def _counted(executions: int) -> str:
    return "1 execution" if executions == 1 else f"{executions} executions"


def _confirmed(runtime: dict[str, Any], since: str | None) -> bool:
    what = f"what {runtime['name']} ({short(runtime['id'])}) has run"
    return click.confirm(f"Forget {what}{f' since {since}' if since else ''}?", err=True)
