"""``runt interrupt``: interrupt what runtimes are running."""

from __future__ import annotations

from typing import Any

import click

from runt import exits, jsonout, session
from runt.failures import NotFoundFailure
from runt.ids import short
from runt.options import for_each, json_option, quiet_option
from runtimed.client.connect import CallFailed


@click.command("interrupt")
@click.argument("references", nargs=-1, required=True, metavar="RUNTIME|EXECUTION...")
@click.option("--force", is_flag=True, help="Also a kernel that is known to die of it.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="See for so long (5) whether it ends; 0: do not look.",
)
@quiet_option
@json_option
def command(
    references: tuple[str, ...], force: bool, wait_s: float | None, quiet: bool, as_json: bool
) -> int:
    """Interrupt what runtimes are running now, whoever submitted it; or just an execution.

    Exits 4 where it was seen to go on.
    """
    interrupted: list[dict[str, Any]] = []
    params: dict[str, object] = {"force": True} if force else {}
    if wait_s is not None:
        params["wait_s"] = wait_s

    def interrupt(reference: str) -> int:
        result = _interrupt(reference, params)
        interrupted.append(result)
        goes_on = result["how"] in ("signal", "message") and not result.get("ended", True)
        if goes_on and wait_s != 0:
            click.echo(_still_runs(result, reference), err=True)
            return exits.CONFLICT
        if not as_json:
            _say(result, reference, quiet=quiet, goes_on=goes_on)
        return exits.OK

    code = for_each(references, interrupt)
    if as_json:
        jsonout.print_document("interrupted", interrupted)
    return code


def _interrupt(reference: str, params: dict[str, object]) -> Any:
    try:
        return session.call("runtime.interrupt", {"runtime": reference, **params})
    except CallFailed as failure:
        if failure.name != "RuntimeNotFound":
            raise
    try:
        return session.call("execution.interrupt", {"execution": reference, **params})
    except CallFailed as failure:
        if failure.name != "ExecutionNotFound":
            raise
    raise NotFoundFailure(f"neither an execution nor a runtime is called {reference}")


def _say(result: dict[str, Any], reference: str, *, quiet: bool, goes_on: bool) -> None:
    """Print what was done, as it was observed."""
    how = result["how"]
    if quiet:
        click.echo(_shown(result, ""))
    elif how == "none":
        click.echo(f"runt: nothing is running in {reference}", err=True)
    elif how == "cancelled":
        click.echo(f"cancelled {_shown(result, reference)}")
    else:
        click.echo(f"{'sent to' if goes_on else 'interrupted'} {_shown(result, reference)} ({how})")


def _still_runs(result: dict[str, Any], reference: str) -> str:
    """Return what to say of an execution that goes on, and what ends it: its runtime's end."""
    runtime = reference
    try:
        params = {"execution": result["execution"], "outputs": False}
        runtime = short(session.call("execution.get", params)["runtime"]["id"])
    except CallFailed:
        pass  # It is a word of advice, and the reference will do.
    return (
        f"runt: {_shown(result, reference)} still runs ({result['how']}); "
        f"`runt stop {runtime}` or `runt kill {runtime}` ends it"
    )


def _shown(result: dict[str, Any], reference: str) -> str:
    return short(result["execution"]) if result["execution"] else reference
