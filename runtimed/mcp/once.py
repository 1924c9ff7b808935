"""One call of a tool in this process, for who has no MCP: `runt tools call`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError
from runtimed.mcp import tools
from runtimed.mcp.caller import Unattended
from runtimed.mcp.desk import open_desks

if TYPE_CHECKING:
    from runtimed.mcp.answer import Answer
    from runtimed.mcp.sight import Scope
    from runtimed.mcp.undoing import Undo


class _Noting(Unattended):
    """A caller that knows what its call has begun."""

    undo: Undo | None = None

    def began(self, undo: Undo) -> None:
        self.undo = undo


async def call(scope: Scope, name: str, raw: object) -> Answer:
    """Call a tool, and return its answer, a failure too; a cancel takes back what it has begun."""
    caller = _Noting()
    async with open_desks(scope) as desks:
        desk = desks.of(None)
        try:
            return await tools.call(desk, name, raw, caller)
        except asyncio.CancelledError:
            if caller.undo is not None:
                # Where nobody is there to be asked, it is on the record.
                with contextlib.suppress(ApiError):
                    await caller.undo()
            raise
