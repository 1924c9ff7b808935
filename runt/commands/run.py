"""``runt run``: a prompt at a kernel."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from runt import building, completing, exits, session, throwaway
from runt.commands.evaluate_options import defaults
from runt.failures import UsageFailure
from runt.ids import short
from runt.limits import limit_options, limit_parameters
from runt.live import Detached
from runt.options import Seconds, json_option, quiet_option, start_options
from runt.submission import start_parameters

#: Options that say how a runtime is started: one that is joined was.
_OF_STARTING = ("python", "name", "env", "clean_env", "with", "timeout")


@click.command("run")
@click.argument("kernel", required=False, shell_complete=completing.kernels)
@click.option(
    "--attach",
    metavar="RUNTIME",
    help="Join a runtime that is there; leaving does not stop it.",
    shell_complete=completing.runtimes(),
)
@click.option("--keep", is_flag=True, help="Leave the runtime running.")
@start_options
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
    attach: str | None,
    keep: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Start a runtime of KERNEL, and a prompt at it; leaving (Ctrl-D) stops the runtime.

    KERNEL is a kernelspec's name or a Python environment; without it, it is the Python that
    `runt eval` would start. What was run stays on the record.

    Tab completes, `name?` and `name??` tell of a name, Ctrl-R searches what was run before in this
    language. Ctrl-C interrupts what was entered here, twice leaves it running. What others run in
    the runtime is shown as it happens.

    Where stdin is no terminal, it is run in the new runtime as one piece of code, with the exit
    codes of `runt eval`. --json and --quiet are for that.
    """
    _check(kernel, attach, options)
    is_terminal = os.isatty(0)
    if is_terminal and (as_json or quiet):
        flag = "--json" if as_json else "--quiet"
        raise UsageFailure(f"{flag} is for code from stdin, which is a terminal here")
    if attach is not None:
        runtime, stops = session.call("runtime.get", {"runtime": attach}), False
    else:
        params: dict[str, Any] = start_parameters({**options, "kernel": kernel})
        if options["timeout"] is not None:
            params["start_timeout_s"] = options["timeout"]
        params |= limit_parameters(options)
        building.announce(params)
        try:
            runtime = throwaway.start(params, idle_stop_s=None)
        except Detached as detached:
            return detached.exit_code
        stops = not keep
    if not is_terminal:
        if keep and not quiet:
            id = short(runtime["id"])
            sys.stderr.write(
                f"runt: runtime {id} keeps running; `runt run --attach {id}` joins it\n"
            )
        return _run_stdin(runtime["id"], stops=stops, quiet=quiet, as_json=as_json)
    return _converse(runtime, stops=stops)


def _check(kernel: str | None, attach: str | None, options: dict[str, Any]) -> None:
    if kernel == "":
        raise UsageFailure("KERNEL is empty")
    if attach is not None:
        if kernel is not None:
            raise UsageFailure("--attach joins a runtime that is there; KERNEL is for a new one")
        given = [name for name in _OF_STARTING if options[name]]
        given += limit_parameters(options)
        if given:
            flag = given[0].replace("_", "-")
            raise UsageFailure(f"--attach joins a runtime that is there; --{flag} is for a new one")
    if kernel is not None and kernel.endswith(".ipynb"):
        raise UsageFailure(f"{kernel} is a notebook; `runt notebook run {kernel}` runs it")
    if kernel is not None and _is_program(kernel):
        raise UsageFailure(f"{kernel} is no kernel; `runt eval -f {kernel}` runs a file's code")


def _is_program(kernel: str) -> bool:
    """Say whether a file of code is meant: no environment and no interpreter."""
    if kernel.endswith(".py"):
        return True
    return os.path.isfile(kernel) and not os.access(kernel, os.X_OK)


def _run_stdin(runtime_id: str, *, stops: bool, quiet: bool, as_json: bool) -> int:
    """Run what stdin has, and exit as ``runt eval`` does. Who is sent away leaves it running."""
    from runt.commands.eval import evaluate

    options = {**defaults("eval"), "code": None, "argv": None}
    code = exits.INTERNAL
    try:
        code = evaluate({**options, "runtime": runtime_id, "quiet": quiet, "json": as_json})
    finally:
        if stops and code not in map(exits.of_signal, (1, 15)):
            session.call("runtime.stop", {"runtime": runtime_id})
    return code


def _converse(runtime: dict[str, Any], *, stops: bool) -> int:
    from runt.repl import loop, words

    outcome = loop.run(runtime, stops=stops)
    if outcome.signal is None:
        sys.stdout.write(words.farewell(runtime["id"], errors=outcome.errors, end=outcome.end))
    return outcome.exit_code
