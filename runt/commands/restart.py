"""``runt restart``: end the kernels of runtimes and start them anew."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, project, session
from runt.commands.start import say_notices
from runt.ids import short
from runt.options import for_each, json_option, quiet_option, runtimes_argument
from runtimed.client.connecting import CallFailed


@click.command("restart")
@runtimes_argument()
@click.option(
    "--force",
    is_flag=True,
    help="Also those that a Jupyter server started: it is asked to do it.",
)
@quiet_option
@json_option
def command(runtimes: tuple[str, ...], force: bool, quiet: bool, as_json: bool) -> int:
    """End the kernels of runtimes and start them anew: same names, same addresses.

    What is queued in them is cancelled, unless it was submitted with --carry-over.
    """
    restarted: list[dict[str, Any]] = []
    forced: dict[str, object] = {"force": True} if force else {}
    environment = project.environment()

    def restart(reference: str) -> None:
        said = _notices(reference)
        result = session.call(
            "runtime.restart", {"runtime": reference, "env": environment, **forced}
        )
        restarted.append(result)
        if as_json:
            return
        say_notices(result["runtime"], said)
        shown = short(result["runtime"]["id"])
        click.echo(shown if quiet else f"restarted {shown}{_how(result['how'])}")

    code = for_each(runtimes, restart)
    if as_json:
        jsonout.print_document("restarted", restarted)
    return code


def _how(how: str) -> str:
    """Return what is worth a word of how the old kernel ended: not that it did as it was asked."""
    if how == "shutdown_request":
        return ""
    words = {"already_dead": "it was dead", "jupyter_server": "by its Jupyter server"}
    return f" ({words.get(how, how)})"


def _notices(reference: str) -> list[str]:
    """Return what was said when it was started; where there is none, restarting it says why."""
    try:
        notices: list[str] = session.call("runtime.get", {"runtime": reference})["notices"]
    except CallFailed:
        return []
    return notices
