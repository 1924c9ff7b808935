"""``runt mcp install``: tell an MCP client of runt."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout, project
from runt.commands.mcp.client_options import client_of, client_options, place_of, shown
from runt.commands.mcp.scope import scope_of, scope_options
from runt.options import json_option

if TYPE_CHECKING:
    from typing import Any

    from runt.mcp_clients.known import Client


@click.command("install")
@client_options
@scope_options
@click.option("--print", "only_print", is_flag=True, help="Print what would be written.")
@json_option
def command(
    client: str, where: str, name: str, only_print: bool, as_json: bool, **options: Any
) -> int:
    """Write runt into an MCP client's own configuration, or change what it says there.

    Everything else in the file stays as it is, comments too; the file as it was is kept beside
    it. With --project the agent's code runs in that project's runtime; without, in a new one.
    The program is named by its path, so a client finds it that knows nothing of your PATH.
    """
    from runt.mcp_clients import editing, entry, files

    scope = scope_of(options)
    if where == "project" and scope.project is None:
        scope = replace(scope, project=project.find(project.cwd()))
    found = client_of(client)
    path = place_of(found, where, scope.project)
    ours = entry.server(found, scope)
    if only_print:
        _print(found, name, path, ours, as_json=as_json)
        return exits.OK

    before = files.read(path)
    backup = files.change(path, lambda text: editing.put(found, text, name, ours, path))
    is_changed = files.read(path) != before
    if as_json:
        document = _document(found, name, path, ours) | {"changed": is_changed, "backup": backup}
        jsonout.print_document("mcp", document)
        return exits.OK
    _tell(found, where, path, backup, is_changed=is_changed)
    return exits.OK


def _tell(client: Client, where: str, path: str, backup: str | None, *, is_changed: bool) -> None:
    if not is_changed:
        click.echo(f"{shown(path)} says so already")
        return
    kept = f" (as it was: {shown(backup)})" if backup else ""
    click.echo(f"wrote {shown(path)}{kept}")
    click.echo(f"{client.title}: {client.next_step}")
    if where == "project":
        click.echo("The paths in it are this machine's: it is not for others who have the project.")


def _print(client: Client, name: str, path: str, ours: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        document = _document(client, name, path, ours) | {"changed": False, "backup": None}
        jsonout.print_document("mcp", document)
        return
    if client.is_toml:
        from runt.mcp_clients import editing

        click.echo(editing.put(client, "", name, ours, path), nl=False)
    else:
        click.echo(json.dumps({client.key: {name: ours}}, indent=2, ensure_ascii=False))
    click.echo(f"runt: its place is {shown(path)}", err=True)


def _document(client: Client, name: str, path: str, ours: dict[str, Any]) -> dict[str, Any]:
    return {"client": client.name, "file": path, "name": name, "server": ours}
