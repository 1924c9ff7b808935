"""``list_runtimes``: the runtimes that an agent may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.mcp.answer import Answer, Text
from runtimed.mcp.definitions import MAX_CHARS
from runtimed.mcp.lines import fitting

if TYPE_CHECKING:
    from runtimed.api.types import Runtime
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import ListRuntimes
    from runtimed.mcp.desk import Desk


async def list_runtimes(desk: Desk, args: ListRuntimes, caller: Caller) -> Answer:
    """List them, the newest last."""
    found = await desk.sight.runtimes(dead=args.all)
    if not found:
        return Answer(
            [
                Text(
                    "There are none that you may use. run_code starts one; the person can give "
                    "you one with `runt share NAME`."
                )
            ]
        )
    lines = [_line(each, is_own=desk.sight.is_own(each)) for each in reversed(found)]
    shown = fitting(lines, MAX_CHARS, "… {left} older ones are not shown.")
    return Answer([Text("\n".join(reversed(shown)))])


def _line(runtime: Runtime, *, is_own: bool) -> str:
    status = runtime.status if runtime.activity is None else runtime.activity
    facts = [
        f"{runtime.name} ({runtime.short_id})",
        runtime.kernel_name if runtime.language is None else _kernel(runtime),
        status.replace("_", " "),
    ]
    if runtime.queue_length:
        facts.append(f"{runtime.queue_length} queued")
    facts.append(f"in {runtime.cwd}")
    if not is_own:
        facts.append("shared with you" if runtime.shared else "given to you")
    if runtime.owner is not None and runtime.owner.path is not None:
        facts.append(f"notebook {runtime.owner.path}")
    return " · ".join(facts)


def _kernel(runtime: Runtime) -> str:
    return f"{runtime.kernel_name}, {runtime.language}"
