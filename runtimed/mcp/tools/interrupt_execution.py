"""``interrupt_execution``: interrupt what runs, cancel what is queued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.executions import ExecutionGet, ExecutionInterrupt
from runtimed.mcp.answer import Answer, Text
from runtimed.mcp.telling import next_steps, status_line

if TYPE_CHECKING:
    from runtimed.api.types import Interrupted
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import InterruptExecution
    from runtimed.mcp.desk import Desk


async def interrupt_execution(desk: Desk, args: InterruptExecution, caller: Caller) -> Answer:
    """Interrupt it and say what was seen to come of it. Raises `ToolFailure`."""
    found = await desk.sight.execution(args.execution)
    result = await desk.call(ExecutionInterrupt(execution=found.id, force=args.force))
    execution = await desk.call(ExecutionGet(execution=found.id, outputs=False))
    text = "\n".join([status_line(execution), _outcome(result), *next_steps(execution)])
    return Answer([Text(text)], False, execution.id, execution.status)


def _outcome(result: Interrupted) -> str:
    if result.how == "none":
        return "It was over already; nothing was done."
    if result.how == "cancelled":
        return "It was still queued and is cancelled: it never ran."
    if result.ended:
        return "It was interrupted and has ended; the runtime and its variables are still there."
    return (
        "An interrupt was sent, and it has not ended within 5 s: the code may catch it, or be "
        "busy in a library. Interrupt again, or stop the runtime with stop_runtime."
    )
