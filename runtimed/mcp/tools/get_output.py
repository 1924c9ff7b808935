"""``get_output``: what an execution has put out, whole, in part, or filtered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.executions import ExecutionOutput
from runtimed.mcp.answer import Answer, Text
from runtimed.mcp.definitions import MOST_CHARS
from runtimed.mcp.lines import clipped
from runtimed.mcp.telling import next_steps, status_line, told
from runtimed.model.ids import short
from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from runtimed.api.types import Execution, OutputPage
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import GetOutput
    from runtimed.mcp.desk import Desk

#: Lines asked for at a time: more than fit into an answer are counted, not fetched.
_LINES = 10_000
#: What an answer says besides a line that is asked for whole, at most.
_BESIDE_CHARS = 2000
#: What one says besides lines of how to get the rest, at most.
_BESIDE_LINES_CHARS = 200


async def get_output(desk: Desk, args: GetOutput, caller: Caller) -> Answer:
    """Return the output as run_code does, or the lines asked for. Raises `ToolFailure`."""
    execution = await desk.sight.execution(args.execution)
    if args.cursor is None and args.tail is None and args.grep is None:
        answer = await told(desk, execution, args.max_chars, traceback=args.traceback)
        return Answer(answer.blocks, False, answer.execution, answer.status)
    page = await desk.call(
        ExecutionOutput(
            execution=execution.id,
            cursor=args.cursor or 0,
            lines=_LINES,
            tail=args.tail,
            grep=args.grep,
        )
    )
    head = status_line(execution)
    room = args.max_chars - len(head) - _BESIDE_LINES_CHARS
    steps = next_steps(execution, args.max_chars)
    if sum(map(len, steps)) > room // 2:
        steps = []  # a call without lines asked for has them
    text = "\n".join([head, *_lines(execution, page, args, room - sum(map(len, steps))), *steps])
    return Answer([Text(text)], False, execution.id, execution.status)


def _lines(execution: Execution, page: OutputPage, args: GetOutput, room: int) -> list[str]:
    """Return lines that fit, and how to get the next ones."""
    lines = [_folded(line) for line in page.lines]
    if page.unfinished and not page.more:
        lines.append(_folded(page.unfinished))
    if not lines:
        grep = args.grep and clipped(args.grep, 100)
        what = f"No line matches {grep!r}" if grep else "There are no lines there"
        return [f"{what}; the output has {page.total_lines} lines."]
    if args.tail is not None:
        lines = lines[-args.tail :]  # with the one that has not ended it may be one more
        return [*_tail(lines, page, args, room), *_rest_of(lines[-1], execution, room)]
    taken, used = 0, 0
    while taken < len(lines) and (used + len(lines[taken]) + 1 <= room or not taken):
        used += len(lines[taken]) + 1
        taken += 1
    shown = [_cut(line, room) for line in lines[:taken]]
    shown += _rest_of(lines[0], execution, room)
    if taken == len(lines) and not page.more:
        return shown
    if args.grep is not None:
        if taken == len(lines):
            said = f"… lines from {page.cursor} on are yet to be searched: the same call with"
            return [*shown, f"{said} cursor={page.cursor}"]
        left = f"at least {len(lines) - taken}" if page.more else f"{len(lines) - taken}"
        return [*shown, f"… {left} more lines match: a narrower `grep`, or a larger `max_chars`."]
    first = (args.cursor or 0) + taken
    call = f"get_output(execution={short(execution.id)!r}, cursor={first})"
    return [*shown, f"… line {first} of {page.total_lines} is next: {call}"]


def _tail(lines: list[str], page: OutputPage, args: GetOutput, room: int) -> list[str]:
    taken, used = 0, 0
    while taken < len(lines) and (used + len(lines[-1 - taken]) + 1 <= room or not taken):
        used += len(lines[-1 - taken]) + 1
        taken += 1
    shown = [_cut(line, room) for line in lines[len(lines) - taken :]]
    if args.grep is not None:
        is_all = taken == len(lines) < (args.tail or 0) and not page.earlier
        of_them = f"the last {taken} of those that match, of {page.total_lines} lines"
    else:
        is_all = taken == page.total_lines
        of_them = f"the last {taken} of {page.total_lines} lines"
    return shown if is_all else [f"… {of_them}:", *shown]


def _folded(line: str) -> str:
    """Return what a terminal shows of a line that was written over."""
    parts = [part for part in without_ansi(line).split("\r") if part]
    return parts[-1] if parts else ""


def _rest_of(line: str, execution: Execution, room: int) -> list[str]:
    """Say how to get all of a line that is longer than the answer may be."""
    if len(line) <= room:
        return []
    wanted = len(line) + _BESIDE_CHARS
    if wanted <= MOST_CHARS:
        return [f"… all of that line: the same call with max_chars={wanted}"]
    id = short(execution.id)
    return [f"… all of that line is in no answer: the person has it with `runt output {id}`"]


def _cut(line: str, room: int) -> str:
    if len(line) <= room:
        return line
    half = max(40, room // 2 - 30)
    return f"{line[:half]} … {len(line) - 2 * half:,} characters … {line[-half:]}"
