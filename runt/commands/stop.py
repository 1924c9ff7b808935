"""``runt stop``: end runtimes gracefully, then harder."""

from __future__ import annotations

import click

from runt.options import Seconds, end_all, ending_arguments, json_option, quiet_option, to_end


@click.command("stop")
@ending_arguments
@click.option(
    "--grace",
    type=Seconds(),
    metavar="SECONDS",
    help="Wait so long before each harder means.",
)
@click.option("--force", is_flag=True, help="Also those that somebody else started.")
@quiet_option
@json_option
def command(
    runtimes: tuple[str, ...],
    by: str | None,
    grace: float | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Ask kernels to shut down; those that do not are sent SIGTERM, then SIGKILL."""
    params: dict[str, object] = {} if grace is None else {"grace_s": grace}
    if force:
        params["force"] = True
    meant = to_end(runtimes, by)
    return end_all("runtime.stop", "stopped", params, meant, quiet=quiet, as_json=as_json)
