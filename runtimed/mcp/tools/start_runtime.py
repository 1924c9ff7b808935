"""``start_runtime``: start a kernel of the agent's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.mcp.answer import Answer, Text
from runtimed.mcp.starting import Wish, start
from runtimed.mcp.telling import duration
from runtimed.mcp.waiting import Wait

if TYPE_CHECKING:
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import StartRuntime
    from runtimed.mcp.desk import Desk


async def start_runtime(desk: Desk, args: StartRuntime, caller: Caller) -> Answer:
    """Start it and return its name. Raises `ToolFailure`."""
    wish = Wish(args.kernel, args.dependencies, name=args.name, cwd=args.cwd)
    runtime = await start(desk, Wait(desk, caller, args.wait_s), wish, caller)
    lines = [
        f"runtime {runtime.name} · started · {runtime.kernel_name} in {runtime.cwd}",
        f"Run code in it with run_code(code=..., runtime={runtime.name!r}).",
    ]
    if runtime.idle_stop_s is not None:
        lines.append(f"It stops by itself after {duration(runtime.idle_stop_s)} without work.")
    return Answer([Text("\n".join([*lines, *desk.news(runtime.notices)]))])
