"""The SDK's own client of ``runt mcp``, at each revision of the protocol."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.harness.daemon import State

RUNT = os.path.join(os.path.dirname(sys.executable), "runt")
REVISIONS = KNOWN_PROTOCOL_VERSIONS
OLDEST, LATEST = REVISIONS[0], REVISIONS[-1]
#: The last one with sessions.
LAST_SESSIONS = "2025-11-25"


@asynccontextmanager
async def mcp_client(
    state: State, revision: str = LATEST, *arguments: str, name: str = "tests", **options: Any
) -> AsyncIterator[Client]:
    """Start ``runt mcp`` and connect to it; what it writes to stderr is in ``mcp.err``."""
    parameters = StdioServerParameters(
        command=RUNT, args=["mcp", *arguments], env=state.env, cwd=str(state.project)
    )
    mode = "auto" if revision in MODERN_PROTOCOL_VERSIONS else "legacy"
    with (
        open(state.root / "mcp.err", "a") as errors,
        patch("mcp.client.session.LATEST_HANDSHAKE_VERSION", revision),
    ):
        async with Client(
            stdio_client(parameters, errlog=errors),
            mode=mode,
            client_info=types.Implementation(name=name, version="1"),
            **options,
        ) as client:
            yield client


async def say(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that succeeds; return the text of its answer."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return text_of(result)


async def fail(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that fails; return the text of its answer."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, text_of(result)
    return text_of(result)


def text_of(result: types.CallToolResult) -> str:
    """Return the text of an answer."""
    return "\n".join(each.text for each in result.content if isinstance(each, types.TextContent))


def execution_in(text: str) -> str:
    """Return the short id that an answer begins with."""
    word, id = text.split()[:2]
    assert word == "execution", text
    return id
