"""The MCP server over HTTP: one endpoint, as an ASGI application. What lets in, stands before it.

Clients of the revisions until 2025-11-25 have sessions, which end when nothing is asked of them
for half an hour; what ran in them goes on. Those of 2026-07-28 have none.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from runtimed.mcp.server import build

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from runtimed.mcp.sight import Scope

#: Each has a few tasks.
_MOST_SESSIONS = 1000
_IDLE_S = 1800.0
#: Of one request: code and text of a line, no data.
MOST_BODY_BYTES = 8 * 1024 * 1024


@asynccontextmanager
async def opened(scope: Scope) -> AsyncIterator[ASGIApp]:
    """Serve one scope, to agents of any name, until the block ends."""
    manager = StreamableHTTPSessionManager(
        build(scope),
        session_idle_timeout=_IDLE_S,
        max_sessions=_MOST_SESSIONS,
        max_request_body_size=MOST_BODY_BYTES,
    )
    async with manager.run():
        yield manager.asgi_app
