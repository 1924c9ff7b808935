"""Results for people and models: tables of runtimes and executions, and pages of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtimed.api.history import Found
from runtimed.api.openapi import TEXTS
from runtimed.api.rendering import Rendered
from runtimed.api.types import Execution, OutputPage, Runtime, Variable, Variables
from runtimed.model.ids import short
from runtimed.model.rendering.forms import fenced, with_line_end
from runtimed.model.text import without_ansi
from runtimed.server.http import left_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.api.call import Call
    from runtimed.api.environments import Environment

_CODE_CHARS = 60
_FOUND_CHARS = 120


def has_text(call: type[Call[Any]]) -> bool:
    """Say whether the call's result is to be had as text."""
    return call.result in TEXTS


def render(result: Any, *, is_markdown: bool) -> str:
    """Return the result as plain text, or as Markdown."""
    if isinstance(result, list):
        return _table(result, is_markdown=is_markdown)
    if isinstance(result, Variables):
        return _table(result.variables, is_markdown=is_markdown)
    if isinstance(result, Rendered):
        return with_line_end(result.text)
    if isinstance(result, OutputPage):
        unfinished = [] if result.unfinished is None else [result.unfinished]
        said = without_ansi("\n".join([*result.lines, *unfinished]))
        missing = left_out.of_page(result)
    else:
        said, missing = result.stdout + result.stderr, []
    text = fenced(said) if is_markdown else with_line_end(said)
    return text + _missing(missing, is_markdown=is_markdown)


def _missing(lines: Sequence[str], *, is_markdown: bool) -> str:
    """Return what is not there, so that no text looks like all where it is not."""
    pattern = "\n*[{}]*\n" if is_markdown else "[{}]\n"
    return "".join(pattern.format(line) for line in lines)


def _table(rows: Sequence[Any], *, is_markdown: bool) -> str:
    from tabulate import tabulate

    if not rows:
        return ""
    table = [_row(row) for row in rows]
    if is_markdown:
        table = [{k: str(v or "").replace("|", "\\|") for k, v in row.items()} for row in table]
    style = "github" if is_markdown else "plain"
    return str(tabulate(table, headers="keys", tablefmt=style, disable_numparse=True)) + "\n"


def _row(document: Runtime | Execution | Environment | Found | Variable) -> dict[str, Any]:
    if isinstance(document, Variable):
        shape = document.shape if document.shape is not None else document.length
        return {
            "Name": document.name,
            "Type": document.type,
            "Size": "" if shape is None else str(shape),
            "Value": _first_line(document.repr or ""),
        }
    if isinstance(document, Found):
        found = " … ".join(" ".join(one.text.split()) for one in document.snippets)
        return _row(document.execution) | {"Found": found[:_FOUND_CHARS]}
    if isinstance(document, Runtime):
        return {
            "ID": document.short_id,
            "Name": document.name,
            "Kernel": document.kernel_name,
            "Language": document.language,
            "Status": document.status,
            "Activity": document.activity,
            "Queue": document.queue_length,
        }
    if isinstance(document, Execution):
        return {
            "ID": short(document.id),
            "Runtime": document.runtime.name,
            "Status": document.status,
            "Queued at": document.queued_at,
            "Code": _first_line(document.code),
        }
    return {
        "Name": document.name,
        "Kind": document.kind,
        "Language": document.language,
        "Path": document.path,
        "Unusable": document.unusable,
    }


def _first_line(code: str) -> str:
    line, _, more = code.strip().partition("\n")
    return f"{line[:_CODE_CHARS]}…" if more or len(line) > _CODE_CHARS else line
