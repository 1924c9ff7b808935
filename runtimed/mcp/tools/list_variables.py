"""``list_variables``: look into a Python runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.runtimes import RuntimeVariables
from runtimed.mcp.answer import Answer, Text
from runtimed.mcp.lines import clipped, fitting

if TYPE_CHECKING:
    from runtimed.api.types import Variable
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import ListVariables
    from runtimed.mcp.desk import Desk


async def list_variables(desk: Desk, args: ListVariables, caller: Caller) -> Answer:
    """List its variables, one a line. Raises `ToolFailure`."""
    runtime = await desk.sight.runtime(args.runtime)
    seen = await desk.call(RuntimeVariables(runtime=runtime.id))
    found = [each for each in seen.variables if args.match is None or args.match in each.name]
    head = f"runtime {runtime.name} · {seen.total} variable{'s' if seen.total != 1 else ''}"
    if args.match is not None:
        head += f", {len(found)} with {clipped(args.match, 100)!r} in their names"
    more = "… {left} more: narrow it down with `match`, or raise `max_chars`."
    hidden = seen.total - len(seen.variables)
    if hidden > 0:
        head += f"; {hidden} are not listed"
    lines = fitting([_line(each) for each in found], args.max_chars - len(head), more)
    return Answer([Text("\n".join([head, *lines]))])


def _line(variable: Variable) -> str:
    facts = [variable.type]
    if variable.shape is not None:
        facts.append(" x ".join(map(str, variable.shape)))
    elif variable.length is not None:
        facts.append(f"length {variable.length}")
    if variable.size_bytes is not None:
        facts.append(f"{variable.size_bytes:,} bytes")
    value = "" if variable.repr is None else f" = {' '.join(variable.repr.split())}"
    return f"{variable.name}: {', '.join(facts)}{value}"
