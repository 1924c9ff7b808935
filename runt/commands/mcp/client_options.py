"""Options that say which client's file is meant, and which server in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import click

from runt.failures import UsageFailure
from runt.mcp_clients.known import BY_NAME, CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from runt.mcp_clients.known import Client

T = TypeVar("T")

_OPTIONS = (
    click.option(
        "--client",
        required=True,
        type=click.Choice([client.name for client in CLIENTS]),
        help="Whose configuration.",
    ),
    click.option(
        "--scope",
        "where",
        type=click.Choice(["user", "project"]),
        default="user",
        show_default=True,
        help="For all that you do with the client, or in one project only.",
    ),
    click.option(
        "--name",
        default="runtimed",
        show_default=True,
        help="What the server is called there.",
    ),
)


def client_options(function: Callable[..., T]) -> Callable[..., T]:
    """Add them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def client_of(name: str) -> Client:
    """Return the client of a name that `client_options` lets through."""
    return BY_NAME[name]


def place_of(client: Client, where: str, project: str | None) -> str:
    """Return the file that is meant. Raises `UsageFailure` where the client has none there."""
    if where == "user" or project is None:
        return client.user_path()
    if client.project_file is None:
        raise UsageFailure(f"{client.title} has no configuration of a project; --scope user")
    return os.path.join(project, client.project_file)


def shown(path: str) -> str:
    """Return a path as people write it."""
    home = os.path.expanduser("~")
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}{os.sep}") else path
