"""``runt environments``: what can be started."""

from __future__ import annotations

import click

from runt import jsonout, project, render, session
from runt.options import json_option, quiet_option


@click.command("environments")
@quiet_option
@json_option
def command(quiet: bool, as_json: bool) -> None:
    """List the kernelspecs and Python environments that can be started from here."""
    here = project.find(project.cwd())
    params = {"env": project.environment(), "project": here}
    environments = session.call("environment.list", params)
    if as_json:
        jsonout.print_document("environments", environments)
    elif quiet:
        click.echo("".join(f"{found['name']}\n" for found in environments), nl=False)
    else:
        click.echo(render.listing(environments, render.ENVIRONMENT_COLUMNS), nl=False)
