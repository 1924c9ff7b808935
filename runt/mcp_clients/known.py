"""The clients that we know: where each reads its MCP servers from, and in which form.

Each has a file of the user's, and most one in a project, which wins, and which the client may ask
the person about before it starts what is in it. Sources, looked at in November 2026:
code.claude.com/docs/en/mcp, modelcontextprotocol.io/quickstart/user, cursor.com/docs/context/mcp,
code.visualstudio.com/docs/copilot/reference/mcp-configuration, developers.openai.com/codex/mcp,
geminicli.com/docs/tools/mcp-server.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runt.mcp_clients import jsonc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Client:
    """An MCP client: ``file`` is in the user's directory of it, ``project_file`` in a project."""

    name: str
    title: str
    key: str
    file: str
    project_file: str | None
    next_step: str
    home: str = "~"
    #: A variable that names another directory in place of ``home``.
    home_variable: str | None = None
    members: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_toml(self) -> bool:
        return self.file.endswith(".toml")

    @property
    def language(self) -> ModuleType:
        """What edits its file."""
        if self.is_toml:
            from runt.mcp_clients import toml

            return toml
        return jsonc

    def user_path(self) -> str:
        """Return the file of the user's."""
        given = os.environ.get(self.home_variable or "")
        return os.path.join(os.path.expanduser(given or self.home), self.file)


#: Where desktop programs keep their settings.
_MAC = "~/Library/Application Support"
_SETTINGS = _MAC if sys.platform == "darwin" else "~/.config"
_XDG = None if sys.platform == "darwin" else "XDG_CONFIG_HOME"

CLIENTS = (
    Client(
        "claude-code",
        "Claude Code",
        "mcpServers",
        ".claude.json",
        ".mcp.json",
        "`/mcp` in a new session of `claude` shows it.",
        home_variable="CLAUDE_CONFIG_DIR",
        members={"type": "stdio"},
    ),
    Client(
        "claude-desktop",
        "Claude Desktop",
        "mcpServers",
        "Claude/claude_desktop_config.json",
        None,
        "Quit Claude Desktop and open it again.",
        home=_SETTINGS,
        home_variable=_XDG,
    ),
    Client(
        "cursor",
        "Cursor",
        "mcpServers",
        ".cursor/mcp.json",
        ".cursor/mcp.json",
        "Switch it on in Cursor's settings, under Tools & MCP, if it is not.",
    ),
    Client(
        "vscode",
        "VS Code",
        "servers",
        "Code/User/mcp.json",
        ".vscode/mcp.json",
        "`MCP: List Servers` in the command palette starts it.",
        home=_SETTINGS,
        home_variable=_XDG,
        members={"type": "stdio"},
    ),
    Client(
        "codex",
        "Codex",
        "mcp_servers",
        "config.toml",
        ".codex/config.toml",
        "`/mcp` in a new session of `codex` shows it.",
        home="~/.codex",
        home_variable="CODEX_HOME",
    ),
    Client(
        "gemini",
        "Gemini CLI",
        "mcpServers",
        ".gemini/settings.json",
        ".gemini/settings.json",
        "`/mcp` in a new session of `gemini` shows it, in a folder that it trusts.",
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}
