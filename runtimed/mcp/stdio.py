"""The MCP server on stdin and stdout."""

from __future__ import annotations

import asyncio
import os
from io import StringIO
from typing import TYPE_CHECKING

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from runtimed.mcp import stdin
from runtimed.mcp.server import build, options

if TYPE_CHECKING:
    from runtimed.mcp.sight import Scope


async def serve(scope: Scope) -> None:
    """Serve one client until stdin ends. What it runs goes on.

    Meanwhile descriptor 1 is stderr's: whatever else is printed misses the protocol.
    """
    server = build(scope)
    messages, received = anyio.create_memory_object_stream[SessionMessage | Exception]()
    nothing = anyio.wrap_file(StringIO())  # what comes is read by our own reader
    try:
        async with stdio_server(stdin=nothing) as (unused, answers), asyncio.TaskGroup() as tasks:
            await unused.aclose()
            tasks.create_task(stdin.read(stdin.taken(), messages, answers), name="mcp stdin")
            await server.run(received, answers, options(server))
    except* BrokenPipeError:
        # The host reads no more. A thread waits for what it may yet write, and would for ever.
        os._exit(1)
