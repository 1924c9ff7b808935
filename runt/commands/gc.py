"""``runt gc``: make room, or say what would go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import jsonout, session
from runt.options import json_option, quiet_option
from runt.outputs import size

if TYPE_CHECKING:
    from typing import Any


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@quiet_option
@json_option
def command(dry_run: bool, quiet: bool, as_json: bool) -> None:
    """Remove the oldest outputs until what is kept is within its limit, as happens by itself.

    Outputs of others go first, then those of yours; none that is pinned. Code and status stay, and
    a note of what was removed. The limit is the less of two settings, retention_bytes and
    retention_percent (of the disk); `runt status` shows it.
    """
    done = session.call("daemon.gc", {"dry_run": dry_run})
    if as_json:
        jsonout.print_document("collected", done)
    elif not quiet:
        click.echo(_said(done))


def _said(done: dict[str, Any]) -> str:
    """Return what was done in a sentence."""
    kept = done["after"] or done["before"]
    within = f"{size(kept['used_bytes'])} of at most {size(kept['limit_bytes'])} are in use"
    if kept["leaving_bytes"]:
        within += f", {size(kept['leaving_bytes'])} more go within minutes"
    if (unremovable_bytes := kept["unremovable_bytes"]) is not None:
        within += (
            "; pinned and unfinished executions, what open notebooks show, and code alone take "
            f"{size(unremovable_bytes)} of at most {size(kept['limit_bytes'])}; nothing more can go"
        )
    if not done["executions"]:
        over = kept["used_bytes"] > kept["limit_bytes"]
        return f"there is nothing to remove: {within}" if over else f"nothing to do: {within}"
    count = done["executions"]
    what = f"the outputs of {count} execution{'' if count == 1 else 's'}"
    what += f" ({done['foreign']} of others), {size(done['size_bytes'])}"
    if done["dry_run"]:
        return f"would remove {what}: {within}"
    return f"removed {what}: {within}"
