"""``runt interrupt``: interrupt what runtimes are running."""

from __future__ import annotations

from typing import Any

import click

from runt import completing, exits, jsonout, session
from runt.failures import NotFoundFailure
from runt.ids import short
from runt.options import for_each, json_option, quiet_option
from runtimed.client.connecting import CallFailed

#: How long it is looked at where nothing else is said; the daemon's default is the same.
_WAIT_S = 5.0
#: Ways in which an interrupt reaches the kernel.
_DELIVERED = ("signal", "message")


@click.command("interrupt")
@click.argument(
    "references",
    nargs=-1,
    required=True,
    metavar="RUNTIME|EXECUTION...",
    shell_complete=completing.either(completing.runtimes(), completing.pending()),
)
@click.option(
    "--force",
    is_flag=True,
    help="Also a kernel that is known to die of it, or does not say what it is at.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help=f"See for so long ({_WAIT_S:g}) whether it ends; 0: do not look.",
)
@quiet_option
@json_option
def command(
    references: tuple[str, ...], force: bool, wait_s: float | None, quiet: bool, as_json: bool
) -> int:
    """Interrupt what runtimes are running now, whoever submitted it; or just an execution.

    It says what was observed: code may catch an interrupt, or end before it takes effect. Exits 4
    where it goes on, 8 where the kernel died of it.
    """
    interrupted: list[dict[str, Any]] = []
    params: dict[str, object] = {"force": True} if force else {}
    if wait_s is not None:
        params["wait_s"] = wait_s

    def interrupt(reference: str) -> int:
        result = _interrupt(reference, params)
        interrupted.append(result)
        goes_on = result["how"] in _DELIVERED and not result.get("ended", True)
        if goes_on and wait_s != 0:
            seconds = _WAIT_S if wait_s is None else wait_s
            click.echo(_goes_on(result, reference, seconds), err=True)
            return exits.CONFLICT
        if result["how"] in _DELIVERED and result.get("status") in ("kernel_died", "lost"):
            click.echo(_died(result, reference), err=True)
            return exits.BY_STATUS[result["status"]]
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


def _died(result: dict[str, Any], reference: str) -> str:
    """Return what to say where the kernel ended after an interrupt was delivered to it."""
    died = "the kernel died of the interrupt" if result["status"] == "kernel_died" else "lost"
    reason = f": {result['reason']}" if result.get("reason") else ""
    return f"runt: {_shown(result, reference)}: {died} ({result['how']}){reason}"


def _say(result: dict[str, Any], reference: str, *, quiet: bool, goes_on: bool) -> None:
    """Print what was done, as it was observed."""
    how = result["how"]
    if quiet:
        click.echo(_shown(result, ""))
    elif how == "none":
        ended = f"; it ended as {result['status']}" if result.get("status") else ""
        click.echo(f"runt: nothing is running in {reference}{ended}", err=True)
    elif how == "cancelled":
        click.echo(f"cancelled {_shown(result, reference)}")
    elif goes_on:
        click.echo(f"sent to {_shown(result, reference)} ({how})")
    elif result.get("status") in ("done", "error"):
        shown = _shown(result, reference)
        click.echo(f"{shown} ended as {result['status']} after an interrupt was delivered ({how})")
    else:
        click.echo(f"interrupted {_shown(result, reference)} ({how})")


def _goes_on(result: dict[str, Any], reference: str, seconds: float) -> str:
    """Return what to say of an execution that goes on, and what ends it: its runtime's end."""
    advice = "ends by itself"
    try:
        advice += f", or with {_what_ends(_runtime(result, reference))}"
    except CallFailed:
        pass
    return (
        f"runt: {_shown(result, reference)}: the interrupt was delivered ({result['how']}) and has "
        f"not taken effect after {seconds:g} s: code that does not look for it {advice}"
    )


def _runtime(result: dict[str, Any], reference: str) -> Any:
    """Return the runtime's document."""
    if result["execution"]:
        params = {"execution": result["execution"], "outputs": False}
        reference = session.call("execution.get", params)["runtime"]["id"]
    return session.call("runtime.get", {"runtime": reference})


def _what_ends(runtime: dict[str, Any]) -> str:
    """Return the commands that end it: of what others started, by force, if at all."""
    id, force = short(runtime["id"]), ""
    if runtime["origin"] == "adopted":
        force = "--force "
        if (runtime["owner"] or {}).get("kind") != "jupyter_server":
            return f"`runt kill {force}{id}`"
    return f"`runt restart {force}{id}` or `runt kill {force}{id}`"


def _shown(result: dict[str, Any], reference: str) -> str:
    return short(result["execution"]) if result["execution"] else reference
