"""``runt kill``: kill the processes of runtimes at once."""

from __future__ import annotations

import click

from runt.options import end_all, json_option, quiet_option, runtimes_argument


@click.command("kill")
@runtimes_argument
@quiet_option
@json_option
def command(runtimes: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Kill the processes of runtimes, and all below them, at once."""
    return end_all("runtime.kill", "killed", {}, runtimes, quiet=quiet, as_json=as_json)
