"""``runt kill``: kill the processes of runtimes at once."""

from __future__ import annotations

import click

from runt.options import end_all, ending_arguments, json_option, quiet_option, to_end


@click.command("kill")
@ending_arguments
@click.option("--force", is_flag=True, help="Also those that somebody else started.")
@quiet_option
@json_option
def command(
    runtimes: tuple[str, ...], by: str | None, force: bool, quiet: bool, as_json: bool
) -> int:
    """Kill the processes of runtimes, and all below them, at once."""
    params: dict[str, object] = {"force": True} if force else {}
    meant = to_end(runtimes, by)
    return end_all("runtime.kill", "killed", params, meant, quiet=quiet, as_json=as_json)
