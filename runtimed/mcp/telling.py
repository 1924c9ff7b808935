"""Tell a model of an execution: a status line, what it put out, and what can be done next."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runtimed.api.executions import ExecutionList
from runtimed.api.rendering import ExecutionRender
from runtimed.api.types import FINAL
from runtimed.mcp.answer import Answer, Image, Text
from runtimed.mcp.definitions import MAX_CHARS, MOST_CHARS
from runtimed.mcp.images import shown
from runtimed.mcp.lines import clipped, fitting
from runtimed.mcp.sight import NAME_CHARS
from runtimed.model.ids import short
from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from runtimed.api.rendering import Raised, Rendered
    from runtimed.api.types import Execution
    from runtimed.mcp.definitions import Traceback
    from runtimed.mcp.desk import Desk

#: The least that is asked for of output. Where there is no room for it the answer says so.
_LEAST_BODY_CHARS = 200
#: Notes have at most one part in so many of what status and next steps leave.
_NOTES_SHARE = 2
#: Of a prompt: it may be anything that the code makes.
_PROMPT_CHARS = 300
_ENDS = {
    "done": "done in",
    "error": "error after",
    "interrupted": "interrupted after",
    "kernel_died": "the kernel died after",
    "lost": "lost after",
}


async def told(
    desk: Desk,
    execution: Execution,
    max_chars: int,
    *,
    traceback: Traceback = "trimmed",
    notes: tuple[str, ...] = (),
) -> Answer:
    """Return the answer about an execution, as it is now."""
    head = status_line(execution)
    steps = next_steps(execution, max_chars)
    rest = [*_gaps(execution), *await _before(desk, execution, max_chars), *steps]
    room = max_chars - len(head) - sum(len(each) + 1 for each in rest) - 1
    fit = fitting([*notes], room // _NOTES_SHARE, "… {left} more notices")
    room -= sum(len(each) + 1 for each in fit)
    rest = [*fit, *rest]
    body, images, left_out, raised = await _body(desk, execution, room, traceback)
    text = "\n".join([head, *([body] if body else []), *left_out, *rest])
    hint = _hint(raised) if raised and not desk.scope.read_only else ""
    if hint and len(text) + len(hint) < max_chars:
        text = f"{text}\n{hint}"
    is_error = execution.status in FINAL and execution.status != "done"
    blocks: list[Text | Image] = [Text(text), *images]
    return Answer(blocks, is_error, execution.id, execution.status, notes=notes)


def status_line(execution: Execution) -> str:
    """Return the first line of an answer: what it is about, how it is, and where."""
    reason = f" ({clipped(execution.reason, NAME_CHARS)})" if execution.reason else ""
    where = f"runtime {clipped(execution.runtime.name, NAME_CHARS)}"
    return f"execution {short(execution.id)} · {_status(execution)}{reason} · {where}"


def _status(execution: Execution) -> str:
    status = execution.status
    if status == "queued":
        return "queued"
    if status == "cancelled":
        return "cancelled, it never ran"
    took = _took(execution)
    if status in _ENDS:
        return f"{_ENDS[status]} {took}" if took else status
    words = "waiting for input" if status == "waiting_input" else "still running"
    return f"{words}, began {took} ago" if took else words


def next_steps(execution: Execution, max_chars: int = MAX_CHARS) -> list[str]:
    """Return what a model can do about an execution that is not over."""
    id = short(execution.id)
    if execution.status == "waiting_input" and execution.input is not None:
        prompt = clipped(repr(asked_for(execution)), min(_PROMPT_CHARS, max_chars // 8))
        if execution.input.password:
            step = (
                f"It asks for a password ({prompt}), which must not go through you: ask the "
                f"person to type it with `runt reply {id}` in a terminal, then call "
                f"wait_execution(execution={id!r})."
            )
        else:
            step = (
                f"It waits for input(): {prompt}. Answer with send_input(execution={id!r}, "
                f"value=...), or end it with interrupt_execution(execution={id!r})."
            )
        return [step]
    if execution.status == "queued":
        step = (
            f"It runs when its turn comes: wait_execution(execution={id!r}) waits for it, "
            "interrupt_execution cancels it."
        )
        return [step]
    if execution.status in ("running", "waiting_input"):
        step = (
            f"It goes on by itself: wait_execution(execution={id!r}) waits for it, get_output "
            "shows what it has printed, interrupt_execution ends it."
        )
        return [step]
    if execution.status == "kernel_died":
        return ["The variables are gone. start_runtime, or run_code without runtime, begins anew."]
    return []


def asked_for(execution: Execution) -> str:
    """Return the prompt that it waits at, as long as an answer or a form may be."""
    prompt = execution.input.prompt if execution.input is not None else ""
    text = without_ansi(prompt[: 2 * _PROMPT_CHARS])
    is_whole = len(text) <= _PROMPT_CHARS and len(prompt) <= 2 * _PROMPT_CHARS
    return text if is_whole else f"{text[: _PROMPT_CHARS - 1]}…"


async def _before(desk: Desk, execution: Execution, max_chars: int) -> list[str]:
    """Say what a queued execution has before it, and what to do where that waits for an answer."""
    if execution.status != "queued":
        return []
    runtime = execution.runtime.id
    call = ExecutionList(runtimes=[runtime], status=["running", "waiting_input"], limit=1)
    for first in await desk.call(call):
        said = f"Before it is execution {short(first.id)}, {_status(first)}."
        if first.status != "waiting_input":
            return [said]
        step = next_steps(first, max_chars)[0]
        if len(step) > max_chars // 4:
            step = f"get_output(execution={short(first.id)!r}) shows what for, and what to do."
        return [f"{said} {step}"]
    return []


def _hint(raised: Raised) -> str:
    """Return what can be done about an exception, where that is another call."""
    missing = re.fullmatch(r"No module named '([A-Za-z_]\w*)(?:\.[\w.]+)?'", raised.evalue)
    if raised.ename != "ModuleNotFoundError" or missing is None:
        return ""
    return (
        f"If that is a package: run_code with dependencies=[{missing[1]!r}] (its name in the "
        "index) and without runtime runs in one that has it."
    )


def _gaps(execution: Execution) -> list[str]:
    if execution.outputs_removed is not None:
        removed = execution.outputs_removed
        return [f"Its output was removed at {removed.at} ({removed.reason})."]
    if execution.gap is None:
        return []
    return [f"Some of its output never arrived ({execution.gap.reason})."]


def _took(execution: Execution) -> str:
    if execution.execution_started is None:
        return ""
    end = execution.execution_end
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return duration((until - datetime.fromisoformat(execution.execution_started)).total_seconds())


def duration(seconds: float) -> str:
    """Return a time as people say it: 0.02 s, 1.2 s, 3 min 5 s, 2 h 10 min."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s".removesuffix(" 0 s")
    return f"{whole // 3600} h {whole % 3600 // 60} min".removesuffix(" 0 min")


async def _body(
    desk: Desk, execution: Execution, max_chars: int, traceback: Traceback
) -> tuple[str, list[Image], list[str], Raised | None]:
    """Return what it put out as text and images, what is missing of these, and what it raised."""
    if execution.status in ("queued", "cancelled") or execution.outputs_removed is not None:
        return "", [], [], None
    rendered = await _rendered(desk, execution, max_chars, traceback)
    images, left_out = await shown(desk, execution.id, rendered.images)
    left_out = [clipped(each, _PROMPT_CHARS) for each in left_out]
    max_chars -= sum(len(each) + 1 for each in left_out)
    if left_out and len(rendered.text) > max_chars:
        rendered = await _rendered(desk, execution, max_chars, traceback)
    if not rendered.outputs and execution.status not in FINAL:
        return "", images, left_out, rendered.error
    text = rendered.text
    if len(text) > max_chars:
        text = f"Its output has no room here: get_output(execution={short(execution.id)!r}, tail=9)"
    return text, images, left_out, rendered.error


async def _rendered(
    desk: Desk, execution: Execution, max_chars: int, traceback: Traceback
) -> Rendered:
    id = short(execution.id)
    return await desk.call(
        ExecutionRender(
            execution=execution.id,
            max_chars=min(max(max_chars, _LEAST_BODY_CHARS), MOST_CHARS),
            traceback=traceback,
            more=f"get_output(execution={id!r}, cursor=0), or larger max_chars",
            more_traceback=f"get_output(execution={id!r}, traceback='full')",
        )
    )
