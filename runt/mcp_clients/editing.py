"""Our server put into the text of a client's file, and taken out; nothing else is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runt.mcp_clients.entry import check_ours
from runt.mcp_clients.jsonc import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runt.mcp_clients.known import Client


def put(client: Client, text: str, name: str, server: dict[str, Any], path: str) -> str:
    """Return the text with the server. What the person has added to it, such as a timeout, stays.

    Raises `Malformed`, and `ConflictFailure` where somebody else's server has the name.
    """
    there = client.language.value_at(text, (client.key, name)) if text.strip() else None
    if there is not None:
        check_ours(there, name, path)
    edited = text
    for place, value in _leaves(server):
        edited = client.language.with_member(edited, (client.key, name, *place), value)
    found = client.language.value_at(edited, (client.key, name))
    if any(found.get(member) != value for member, value in _merged(there, server).items()):
        raise Malformed(f"{client.key} cannot be edited as it is written there; see --print")
    _check_the_rest(client, name, text, edited)
    return edited


def take_out(client: Client, text: str, name: str, path: str) -> str:
    """Return the text without the server. Raises as `put` does."""
    there = client.language.value_at(text, (client.key, name)) if text.strip() else None
    if there is None:
        return text
    check_ours(there, name, path)
    edited: str = client.language.without_member(text, (client.key, name))
    _check_the_rest(client, name, text, edited)
    return edited


def _leaves(server: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what is set, and where: each variable by itself, as others are the person's."""
    for member, value in server.items():
        if isinstance(value, dict):
            yield from (((member, name), each) for name, each in value.items())
        else:
            yield (member,), value


def _merged(there: Any, server: dict[str, Any]) -> dict[str, Any]:
    env = (there or {}).get("env")
    if "env" not in server or not isinstance(env, dict):
        return server
    return {**server, "env": {**env, **server["env"]}}


def _check_the_rest(client: Client, name: str, before: str, after: str) -> None:
    if _rest(client, name, before) != _rest(client, name, after):
        raise Malformed(f"{client.key} cannot be edited as it is written there; see --print")


def _rest(client: Client, name: str, text: str) -> dict[str, Any]:
    """Return all that is in a text but our server."""
    document = dict(client.language.value_at(text, ()) or {}) if text.strip() else {}
    servers = dict(document.pop(client.key, None) or {})
    servers.pop(name, None)
    return {**document, client.key: servers}
