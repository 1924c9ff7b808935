"""Our server, as a client's file has it: the program, its words, its variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runt.failures import ConflictFailure, Failure
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.programs import program
from runtimed.paths import cache_dir, config_file, socket_path, state_dir

if TYPE_CHECKING:
    from runt.mcp_clients.known import Client
    from runtimed.mcp.sight import Scope

#: Clients start servers with few of the person's variables, or none of a shell's. So what these
#: say of places goes along, as ours.
_PLACES = {
    "RUNTIMED_SOCKET": ("XDG_RUNTIME_DIR", socket_path),
    "RUNTIMED_STATE_DIR": ("XDG_STATE_HOME", state_dir),
    "RUNTIMED_CONFIG": ("XDG_CONFIG_HOME", config_file),
    "RUNTIMED_CACHE_DIR": ("XDG_CACHE_HOME", cache_dir),
}


def server(client: Client, scope: Scope) -> dict[str, Any]:
    """Return the members of the entry. Raises `Failure` where there is no ``runt`` to start."""
    try:
        command = program("runt")
    except ServiceFailure as failure:
        raise Failure(str(failure)) from None
    found: dict[str, Any] = {**client.members, "command": command, "args": _words(client, scope)}
    if env := _environment():
        found["env"] = env
    return found


def check_ours(entry: Any, name: str, path: str) -> None:
    """Raise `ConflictFailure` where somebody else's server has the name."""
    words = entry.get("args") if isinstance(entry, dict) else None
    command = entry.get("command") if isinstance(entry, dict) else None
    is_ours = isinstance(command, str) and os.path.basename(command) == "runt"
    if not (is_ours and isinstance(words, list) and words[:1] == ["mcp"]):
        raise ConflictFailure(
            f"{path} has a server {name!r} that is not runt's; --name gives ours another name"
        )


def _words(client: Client, scope: Scope) -> list[str]:
    words = ["mcp", "--agent", scope.agent or client.name]
    if scope.project is not None:
        words += ["--project", scope.project]
    for runtime in scope.runtimes:
        words += ["--runtime", runtime]
    words += ["--all"] * scope.everything
    words += ["--read-only"] * scope.read_only
    return words


def _environment() -> dict[str, str]:
    found = {}
    for name, (usual, place) in _PLACES.items():
        if os.environ.get(name) or (os.environ.get(usual) and not _is_usual(usual)):
            found[name] = place()
    return found


def _is_usual(variable: str) -> bool:
    """Say whether a variable says what is so without it."""
    value = os.environ[variable]
    home = os.path.expanduser("~")
    usual = {
        "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_CACHE_HOME": f"{home}/.cache",
    }
    return os.path.normpath(value) == usual[variable]
