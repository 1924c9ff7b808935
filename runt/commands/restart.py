"""``runt restart``: end the kernels of runtimes and start them anew."""

from __future__ import annotations

from typing import Any

import click

from runt import jsonout, project, session
from runt.commands.start import say_started
from runt.options import for_each, json_option, quiet_option, runtimes_argument
from runtimed.client.connect import CallFailed


@click.command("restart")
@runtimes_argument
@quiet_option
@json_option
def command(runtimes: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """End the kernels of runtimes and start them anew: same names, same addresses.

    What is queued in them is cancelled, unless it was submitted with --carry-over.
    """
    restarted: list[dict[str, Any]] = []
    environment = project.environment()

    def restart(reference: str) -> None:
        said = _notices(reference)
        runtime = session.call("runtime.restart", {"runtime": reference, "env": environment})
        restarted.append(runtime)
        if not as_json:
            say_started("restarted", runtime, quiet=quiet, said=said)

    code = for_each(runtimes, restart)
    if as_json:
        jsonout.print_document("runtimes", restarted)
    return code


def _notices(reference: str) -> list[str]:
    """Return what was said when it was started; where there is none, restarting it says why."""
    try:
        notices: list[str] = session.call("runtime.get", {"runtime": reference})["notices"]
    except CallFailed:
        return []
    return notices
