"""``runt logs``: what a kernel's process wrote by itself."""

from __future__ import annotations

import sys
from typing import Any

import click

from runt import completing, jsonout, session
from runt.options import json_option, quiet_option

#: One call waits so long for more; then it is asked again.
_WAIT_S = 60.0
_MOST_BYTES = 1 << 20


@click.command("logs")
@click.argument("runtime", shell_complete=completing.runtimes("all"))
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until the kernel ends.")
@click.option(
    "-n", "--lines", type=click.IntRange(0), metavar="NUMBER", help="So many lines of each end."
)
@click.option(
    "--tail-bytes",
    type=click.IntRange(0, _MOST_BYTES),
    metavar="BYTES",
    help="So much of the end of each.",
)
@click.option("--stdout", "only", flag_value="stdout", help="What it wrote to stdout only.")
@click.option("--stderr", "only", flag_value="stderr", help="What it wrote to stderr, on stdout.")
@quiet_option
@json_option
def command(
    runtime: str,
    follow: bool,
    lines: int | None,
    tail_bytes: int | None,
    only: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Print the end of what a kernel's process wrote by itself, not what its code printed.

    What it wrote to stdout comes on stdout, what it wrote to stderr on stderr. With --json, one
    line a page when it follows.
    """
    params: dict[str, object] = {"runtime": runtime}
    if tail_bytes is not None or lines is not None:
        params["tail_bytes"] = _MOST_BYTES if tail_bytes is None else tail_bytes
    page = session.call("runtime.logs", params)
    for name in ("stdout", "stderr"):
        page[name] = _last(page[name], lines)
    _print(page, only, quiet=quiet, as_json=as_json)
    while follow and not page["ended"]:
        # By its id: by its name, the next one could be another.
        more = {f"{name}_from": page[f"{name}_end"] for name in ("stdout", "stderr")}
        page = session.call_again(
            "runtime.logs", {"runtime": page["runtime"], "wait_s": _WAIT_S, **more}
        )
        if page["stdout"] or page["stderr"]:
            _print(page, only, quiet=quiet, as_json=as_json)


def _last(text: str, lines: int | None) -> str:
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


def _print(page: dict[str, Any], only: str | None, *, quiet: bool, as_json: bool) -> None:
    if only is not None:
        page = {**page, "stdout" if only == "stderr" else "stderr": ""}
    if as_json:
        jsonout.print_document("logs", page)
    elif quiet:
        click.echo(page["runtime"])
    elif only is not None:
        click.echo(page[only], nl=False)
    else:
        click.echo(page["stdout"], nl=False)
        click.echo(page["stderr"], nl=False, err=True)
    sys.stdout.flush()
