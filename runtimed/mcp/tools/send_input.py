"""``send_input``: answer ``input()``, and wait for what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.executions import ExecutionInput
from runtimed.mcp.answer import Answer, ToolFailure
from runtimed.mcp.telling import next_steps, told
from runtimed.mcp.waiting import Wait

if TYPE_CHECKING:
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import SendInput
    from runtimed.mcp.desk import Desk


async def send_input(desk: Desk, args: SendInput, caller: Caller) -> Answer:
    """Send the line, wait, and return the output. Raises `ToolFailure`, `Asked`.

    No passwords: they would stand in the transcript, and go through whoever hosts the model.
    """
    found = await desk.sight.execution(args.execution)
    if caller.resume is None:
        if found.input is not None and found.input.password:
            raise ToolFailure(f"Nothing was sent. {next_steps(found)[0]}")
        # What it asks for next may be a password: what was looked at is what is answered.
        request = found.input.request or None if found.input is not None else None
        await desk.call(
            ExecutionInput(execution=found.id, value=args.value, eof=args.eof, request=request)
        )
    wait = Wait(desk, caller, args.wait_s)
    execution = await wait.attend(found.id)
    return await told(desk, execution, args.max_chars, notes=wait.notes)
