"""``wait_execution``: wait for an execution that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.mcp.telling import told
from runtimed.mcp.waiting import Wait

if TYPE_CHECKING:
    from runtimed.mcp.answer import Answer
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import WaitExecution
    from runtimed.mcp.desk import Desk


async def wait_execution(desk: Desk, args: WaitExecution, caller: Caller) -> Answer:
    """Wait, and return its output. A cancelled call ends the waiting only. Raises `ToolFailure`."""
    found = await desk.sight.execution(args.execution)
    wait = Wait(desk, caller, args.wait_s)
    execution = await wait.attend(found.id)
    return await told(desk, execution, args.max_chars, notes=wait.notes)
