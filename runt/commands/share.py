"""``runt share``: let agents see runtimes that they did not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import jsonout, session
from runt.ids import short
from runt.options import for_each, json_option, quiet_option, runtimes_argument

if TYPE_CHECKING:
    from typing import Any


@click.command("share")
@runtimes_argument("all")
@click.option("--off", is_flag=True, help="Take it back: agents see them no longer.")
@quiet_option
@json_option
def command(runtimes: tuple[str, ...], off: bool, quiet: bool, as_json: bool) -> int:
    """Let agents (`runt mcp`) see RUNTIMEs with all that was run in them, and run code there.

    Without it an agent sees what it has started itself, and nothing else. `runt ps --wide` shows
    which are shared.
    """
    concerned: list[dict[str, Any]] = []

    def share(reference: str) -> None:
        params = {"runtime": reference, "shared": not off}
        concerned.append(runtime := session.call("runtime.share", params))
        shown = short(runtime["id"])
        if not as_json:
            done = "no longer shared" if off else "shared with agents"
            click.echo(shown if quiet else f"{done}: {shown} ({runtime['name']})")

    code = for_each(runtimes, share)
    if as_json:
        jsonout.print_document("runtimes", concerned)
    return code
