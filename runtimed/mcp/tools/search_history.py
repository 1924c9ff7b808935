"""``search_history``: what ran before in the runtimes that an agent may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.executions import ExecutionList
from runtimed.api.history import ExecutionSearch, Found
from runtimed.mcp.answer import Answer, Text
from runtimed.mcp.lines import clipped, fitting
from runtimed.mcp.telling import status_line
from runtimed.model.ids import short

if TYPE_CHECKING:
    from runtimed.api.types import Execution
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import SearchHistory
    from runtimed.mcp.desk import Desk

_CODE_CHARS = 200
_SNIPPET_CHARS = 160
#: So many ids go into one call; of more runtimes the newest are looked through.
_MOST_RUNTIMES = 10_000


async def search_history(desk: Desk, args: SearchHistory, caller: Caller) -> Answer:
    """Return what matches, best first, or the newest. Raises `ToolFailure`."""
    if args.runtime is not None:
        ids = [(await desk.sight.runtime(args.runtime)).id]
    else:
        ids = (await desk.sight.runtime_ids())[-_MOST_RUNTIMES:]
    before = None if args.before is None else (await desk.sight.execution(args.before)).id
    status = None if args.status is None else [args.status]
    found: list[Execution] | list[Found] = []
    if ids and args.query is None:
        found = await desk.call(
            ExecutionList(runtimes=ids, status=status, before=before, limit=args.limit)
        )
    elif ids and args.query is not None:
        found = await desk.call(
            ExecutionSearch(
                query=args.query, runtimes=ids, status=status, before=before, limit=args.limit
            )
        )
    if not found:
        what = "has these words" if args.query else "ran"
        return Answer([Text(f"Nothing that you may see {what}{' there' if args.runtime else ''}.")])
    more = "… {left} more do not fit: raise `max_chars`, or ask for fewer with `limit`."
    lines = fitting([_entry(each) for each in found], args.max_chars - 100, more)
    if len(found) == args.limit and args.query is None:
        last = found[-1]
        oldest = last.execution.id if isinstance(last, Found) else last.id
        lines.append(f"Older ones: search_history(before={short(oldest)!r}).")
    return Answer([Text("\n".join(lines))])


def _entry(found: Execution | Found) -> str:
    execution = found.execution if isinstance(found, Found) else found
    head = f"{status_line(execution)} · {execution.queued_at}"
    code = " ⏎ ".join(line for line in execution.code.splitlines() if line.strip())
    lines = [head, f"  {clipped(code, _CODE_CHARS)}"]
    if isinstance(found, Found):
        lines += [
            f"  {snippet.where}: {clipped(snippet.text, _SNIPPET_CHARS)}"
            for snippet in found.snippets
            if snippet.where != "code"
        ]
    return "\n".join(lines)
