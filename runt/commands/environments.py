"""``runt environments``: what can be started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import jsonout, project, render, session
from runt.options import json_option, quiet_option
from runt.outputs import size
from runt.when import age_s

if TYPE_CHECKING:
    from typing import Any

_PRUNED_COLUMNS: tuple[render.Column, ...] = (
    ("Name", lambda e: e["name"]),
    ("Python", lambda e: e["python_version"] or "-"),
    ("Size", lambda e: "-" if e["size_bytes"] is None else size(e["size_bytes"])),
    ("Last used", lambda e: e["used_at"] or "never: its build did not end"),
    ("Path", lambda e: render.home(e["path"])),
)


@click.group("environments", invoke_without_command=True)
@quiet_option
@json_option
@click.pass_context
def command(ctx: click.Context, quiet: bool, as_json: bool) -> None:
    """List the kernelspecs and Python environments that can be started from here.

    Each by its name or its path: `runt start NAME`. Those of kind cached were built for packages
    that somebody named (`runt start --with PACKAGES`).
    """
    if ctx.invoked_subcommand is not None:
        return
    here = project.find(project.cwd())
    params = {"env": project.environment(), "project": here}
    environments = session.call("environment.list", params)
    if as_json:
        jsonout.print_document("environments", environments)
    elif quiet:
        click.echo("".join(f"{found['name']}\n" for found in environments), nl=False)
    else:
        click.echo(render.listing(environments, render.ENVIRONMENT_COLUMNS), nl=False)


@command.command("prune")
@click.option(
    "--older",
    metavar="AGE",
    default="30d",
    show_default=True,
    help="Only those that were last used longer ago, such as 12h, 30d, 0d for all.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@quiet_option
@json_option
def prune(older: str, dry_run: bool, quiet: bool, as_json: bool) -> None:
    """Remove cached environments that no kernel runs in; they are built again when needed.

    Only those that were built for packages that somebody named; no other is ever touched.
    """
    params: dict[str, Any] = {"older_s": age_s(older)}
    if dry_run:
        params["dry_run"] = True
    pruned = session.call("environment.prune", params)
    if as_json:
        jsonout.print_document("pruned", pruned)
    elif quiet:
        click.echo("".join(f"{one['path']}\n" for one in pruned), nl=False)
    else:
        if pruned:
            click.echo(render.listing(pruned, _PRUNED_COLUMNS), nl=False)
        click.echo(f"runt: {_summary(pruned, dry_run=dry_run)}", err=True)


def _summary(pruned: list[dict[str, Any]], *, dry_run: bool) -> str:
    if not pruned:
        return "nothing is to be removed" if dry_run else "nothing was to be removed"
    freed = size(sum(one["size_bytes"] or 0 for one in pruned))
    return f"{len(pruned)} {'would be removed' if dry_run else 'removed'}, {freed}"
