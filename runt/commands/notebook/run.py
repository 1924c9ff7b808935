"""``runt notebook run``: run a file from its first cell to its last, into another file."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from runt import completing, exits, jsonout
from runt.failures import UsageFailure
from runt.ids import short
from runt.options import Seconds, json_option, quiet_option
from runt.submission import as_place, start_parameters

if TYPE_CHECKING:
    from typing import Any

    from runt.notebook_run.job import Ended, Options


@click.command("run")
@click.argument("file", metavar="FILE", shell_complete=completing.files)
@click.option(
    "--output",
    "-o",
    "out",
    required=True,
    metavar="OUT.ipynb",
    shell_complete=completing.files,
    help="The notebook that is written: after each cell, and at the end.",
)
@click.option(
    "-p",
    "--parameter",
    "typed",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter: a number, true, false, none, a JSON list or object, else text.",
)
@click.option(
    "-r", "--raw", nargs=2, multiple=True, metavar="NAME TEXT", help="A parameter that is text."
)
@click.option(
    "-f",
    "--parameters-file",
    "files",
    multiple=True,
    metavar="PARAMS",
    shell_complete=completing.files,
    help="Parameters from a YAML or JSON file.",
)
@click.option(
    "--kernel",
    metavar="KERNEL",
    shell_complete=completing.kernels,
    help="A kernelspec's name, or a Python environment; else the one that the notebook names.",
)
@click.option("--cwd", metavar="PATH", help="Where it runs; else the directory of FILE.")
@click.option(
    "--start-timeout",
    type=Seconds(above_zero=True),
    metavar="SECONDS",
    help="Give the kernel so long to start; else exit 6.",
)
@click.option("--allow-errors", is_flag=True, help="Go on after a cell that fails.")
@click.option("--resume", is_flag=True, help="Only go on with an earlier run; never begin one.")
@click.option("--fresh", is_flag=True, help="Begin anew, whatever there is of an earlier run.")
@click.option("--keep", is_flag=True, help="Leave the kernel running at the end.")
@click.option(
    "--force",
    is_flag=True,
    help="Write over OUT even if it is no run's output, or was worked on.",
)
@quiet_option
@json_option
def command(file: str, out: str, quiet: bool, as_json: bool, **given: Any) -> int:
    """Run FILE (.ipynb, or a script with `# %%` cells) in a kernel of its own, into OUT.ipynb.

    Parameters are set in a cell after the one that is tagged `parameters`. All cells are queued
    with the daemon at once, and run on whoever hangs up. The same command again attaches to what
    runs, or goes on after the last good cell as long as the kernel lives, and none of the cells
    that have run, parameters too, has changed; what has ended well begins anew.

    Ctrl-C interrupts it, twice leaves it running, as SIGTERM and SIGHUP do. Exits with 1 if a cell
    raised, else as `runt eval` does.
    """
    from runt.notebook_run.job import Detached, Job, failure_text
    from runt.notebook_run.progress import Progress

    options = _options(file, out, given)
    progress = Progress(os.path.basename(file), quiet=quiet)
    try:
        ended = Job(options, progress).run()
    except Detached as left:
        progress.say("it runs on; the same command attaches to it again")
        return left.exit_code
    sys.stderr.write(failure_text(ended, options.out))
    if ended.exit_code != exits.OK and ended.bad is not None:
        kernel = short(ended.bad["runtime"]["id"])
        if ended.bad["status"] != "kernel_died":
            progress.say(
                f"its kernel is kept: the same command goes on there; `runt stop {kernel}` ends it"
            )
    _print(ended, options, quiet=quiet, as_json=as_json)
    return ended.exit_code


def _print(ended: Ended, options: Options, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        status = "done" if ended.bad is None else ended.bad["status"]
        document = {"output": options.out, "status": status, "notebook": ended.notebook}
        jsonout.print_document("run", document)
    elif quiet:
        click.echo(short(ended.notebook["id"]))
    else:
        click.echo(f"wrote {os.path.relpath(options.out)}", err=True)


def _options(file: str, out: str, given: dict[str, Any]) -> Options:
    """Return what the command line says, checked. Raises `UsageFailure`."""
    from runt.notebook_run import parameters
    from runt.notebook_run.job import Options

    source, target = os.path.realpath(file), os.path.realpath(out)
    if os.path.splitext(target)[1] != ".ipynb":
        raise UsageFailure(f"outputs go into an .ipynb file, not into {out}")
    if source == target:
        raise UsageFailure("-o must name another file than the one that is run")
    if given["resume"] and given["fresh"]:
        raise UsageFailure("--resume and --fresh exclude each other")
    kernel = given["kernel"]
    start = start_parameters({"kernel": kernel})
    start["cwd"] = os.path.abspath(given["cwd"]) if given["cwd"] else os.path.dirname(source)
    is_spec = kernel is not None and as_place(kernel) == kernel and not os.path.isabs(kernel)
    return Options(
        source=source,
        out=target,
        parameters=parameters.collected(given["files"], given["typed"], given["raw"]),
        start=start,
        kernel=kernel if is_spec else None,
        start_timeout_s=given["start_timeout"],
        allow_errors=given["allow_errors"],
        **{name: given[name] for name in ("resume", "fresh", "keep", "force")},
    )
