"""What an explicit cancel of a call takes back, of what the call has begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError
from runtimed.api.executions import ExecutionInterrupt
from runtimed.api.runtimes import RuntimeStop

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable
    from typing import Any

    from runtimed.api.types import Runtime
    from runtimed.mcp.desk import Desk

    #: Takes it back, once it has come about. Raises `ApiError`.
    Undo = Callable[[], Awaitable[None]]


def interrupting(desk: Desk, execution: str, accepted: Future[Any]) -> Undo:
    """Have an execution be interrupted."""

    async def undo() -> None:
        await asyncio.wait([accepted])
        await desk.call(ExecutionInterrupt(execution=execution, wait_s=0))

    return undo


def stopping(desk: Desk, starting: Future[Runtime | ApiError]) -> Undo:
    """Have a runtime be stopped that nobody has been told of."""

    async def undo() -> None:
        await asyncio.wait([starting])
        if not starting.cancelled() and not isinstance(found := starting.result(), ApiError):
            await desk.call(RuntimeStop(runtime=found.id))

    return undo
