"""``runt start``: start a runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import building, completing, jsonout, session
from runt.failures import UsageFailure
from runt.ids import short
from runt.limits import limit_options, limit_parameters
from runt.options import Seconds, json_option, quiet_option, start_options
from runt.submission import start_parameters

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any


@click.command("start")
@click.argument("kernel", required=False, shell_complete=completing.kernels)
@start_options
@click.option(
    "--idle-stop",
    type=Seconds(above_zero=True),
    metavar="SECONDS",
    help="Stop it after so long without work; else it never stops by itself.",
)
@click.option(
    "--timeout",
    type=Seconds(above_zero=True),
    metavar="SECONDS",
    help="Wait so long for its first answer.",
)
@limit_options
@quiet_option
@json_option
def command(
    kernel: str | None,
    idle_stop: float | None,
    timeout: float | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Start a runtime of KERNEL: a kernelspec's name, or a Python environment.

    Without KERNEL it is the Python that `runt eval` would start: the active environment's, the
    project's .venv's, your own python3 kernelspec, or runtimed's own.
    """
    if kernel == "":
        raise UsageFailure("KERNEL is empty")
    params = start_parameters({**options, "kernel": kernel})
    if idle_stop is not None:
        params["idle_stop_s"] = idle_stop
    if timeout is not None:
        params["start_timeout_s"] = timeout
    params |= limit_parameters(options)
    building.announce(params)
    runtime = session.call("runtime.start", params)
    say_notices(runtime)
    if as_json:
        jsonout.print_document("runtime", runtime)
    else:
        click.echo(short(runtime["id"]) if quiet else f"started {short(runtime['id'])}")


def say_notices(runtime: dict[str, Any], said: Collection[str] = ()) -> None:
    """Print on stderr those notices of a runtime that were not ``said``."""
    for notice in runtime.get("notices", ()):
        if notice not in said:
            click.echo(f"runt: {notice}", err=True)
