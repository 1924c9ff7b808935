"""Documents with outputs as text that fits: executions, cells, notebooks.

`TextOptions` are there wherever such a document may be asked for as text; a document
in JSON is always whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import InvalidParams
from runtimed.api.notebooks import CodeCell, Notebook
from runtimed.api.openapi import RENDERED
from runtimed.api.rendering import ExecutionRender, Rendered, TextOptions
from runtimed.api.types import FINAL, Execution
from runtimed.model.ids import short
from runtimed.model.rendering.cutting import counted
from runtimed.model.rendering.forms import fenced, with_line_end
from runtimed.model.rendering.render import Ways, render
from runtimed.model.rendering.sharing import shares
from runtimed.model.rendering.stream import SMALLEST_CHARS, Stream
from runtimed.model.text import plain
from runtimed.server.http import left_out, media

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from runtimed.api.call import Call
    from runtimed.api.rendering import TextForm
    from runtimed.server.http.exchange import Exchange

_LEAST_CHARS = 200
_CHARS = 8000
_CELL_CHARS = 2000
#: A source of a line or two, and the least that outputs can have.
_CELL_LEAST_CHARS = 300
_WITH_CELLS = (Notebook, list[CodeCell])
#: What may have to be said below an execution's text takes no more.
_NOTE_CHARS = 120


def options_of(call: type[Call[Any]], query: list[tuple[str, str]]) -> TextOptions:
    """Take the options out of a query that may have them. Raises `InvalidParams`."""
    if call.result not in RENDERED:
        return TextOptions()
    found = [pair for pair in query if pair[0] in TextOptions.__struct_fields__]
    for pair in found:
        query.remove(pair)
    try:
        return msgspec.convert(dict(found), TextOptions, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidParams(detail=str(error)) from None


def as_asked(call: Call[Any], kind: str, *, named: Container[str]) -> Call[Any]:
    """Return the call as HTTP makes it, for this media type; these parameters were ``named``.

    An execution comes without outputs that are going to be rendered, a notebook's text with them.
    """
    is_for_text = kind != media.JSON
    if isinstance(call, ExecutionRender):
        is_markdown = kind == "text/markdown" and "form" not in named
        values = None if call.more else way_to_values(call.execution)
        return msgspec.structs.replace(
            call,
            form="markdown" if is_markdown else call.form,
            more=call.more or way_to_all(call.execution),
            more_values=call.more_values or values,
        )
    if is_for_text and call.result is Execution and "outputs" in call.__struct_fields__:
        return msgspec.structs.replace(call, outputs=False)
    if is_for_text and call.result in _WITH_CELLS and "outputs" in call.__struct_fields__:
        if "outputs" not in named:
            return msgspec.structs.replace(call, outputs=True)
    return call


@dataclass(frozen=True)
class Body:
    """A text, and the headers that go with it."""

    text: str
    headers: tuple[tuple[str, str], ...] = ()


def way_to_all(execution: str) -> str:
    """Return how all of an execution's text is had over HTTP."""
    return f"GET /v0/executions/{execution}/output (tail=N, grep=REGEX)"


def way_to_values(execution: str) -> str:
    """Return how what was displayed is had as it is, where text is only a part of it."""
    return f"GET /v0/executions/{execution} (application/json)"


async def of_execution(
    exchange: Exchange, execution: Execution, form: TextForm, options: TextOptions
) -> Body:
    """Return what an execution has put out, after its code in Markdown. Raises `ApiError`."""
    most = options.max_chars or _CHARS
    is_plain = execution.status in FINAL and not (execution.gap or execution.outputs_removed)
    note_chars = 0 if is_plain else _NOTE_CHARS
    code, room = "", most - 1  # a line end
    if form == "markdown":
        language = "python" if execution.runtime.kernel_name.startswith("python") else ""
        code = _code(execution.code, language, min(most // 2, room - note_chars - _LEAST_CHARS))
        room -= len(code)
    rendered: Rendered = await exchange.perform(
        ExecutionRender(
            execution=execution.id,
            max_chars=max(_LEAST_CHARS, room - note_chars),
            form=form,
            traceback=options.traceback,
            more=way_to_all(execution.id),
            more_values=way_to_values(execution.id),
        )
    )
    headers = (
        ("Runt-Status", rendered.status),  # the text is as far as it has come
        ("Runt-Complete", str(rendered.is_complete).lower()),
    )
    text, said = with_line_end(rendered.text), note(rendered, form)
    if len(code) + len(text) + len(said) > most:  # of the least that can be asked for
        code, text = "", text.removesuffix("\n")
        said = said if len(text) + len(said) <= most else ""
    return Body(code + text + said, headers)


def _code(code: str, language: str, most: int) -> str:
    """Return the code between fences, or its beginning and its end; nothing, if that is no room."""
    code, around = plain(code), len(fenced("x", language))
    if len(whole := fenced(code, language) + "\n") <= most:
        return whole
    if most - around < SMALLEST_CHARS:
        return ""
    shown = fenced(_cut(code, most - around), language) + "\n"
    return shown if len(shown) <= most else ""


def note(rendered: Rendered, form: TextForm) -> str:
    """Return what is to be said about an execution that is not simply done, and whole."""
    lines = list(left_out.lost(rendered.gap, rendered.outputs_removed))
    status = rendered.status
    if status not in FINAL:
        place = f"/v0/executions/{short(rendered.execution)}"
        wait = f"{place}/input takes its answer" if rendered.input else f"{place}?wait_s=30 waits"
        lines.append(f"{status}: {wait}")
    elif form == "markdown" and status != "done":
        lines.append(status)
    pattern = "\n*{}*\n" if form == "markdown" else "[{}]\n"
    return "".join(pattern.format(line) for line in lines)


def has_cells(result: Any) -> bool:
    """Say whether this is for `of_cells`: an empty list is as good as a table of nothing."""
    if isinstance(result, list):
        return bool(result) and isinstance(result[0], CodeCell)
    return isinstance(result, CodeCell | Notebook)


def of_cells(
    result: CodeCell | Notebook | list[CodeCell],
    form: TextForm,
    options: TextOptions,
    check: Callable[[], None] = lambda: None,
) -> str:
    """Return the cells with what they show. It may take long; ``check`` is called before each."""
    if isinstance(result, CodeCell):
        check()
        return _cell(result, form, options, options.max_chars, _CHARS)
    cells = result.cells or [] if isinstance(result, Notebook) else result
    texts = []
    for cell in cells:
        check()
        texts.append(_cell(cell, form, options, options.max_chars, _CELL_CHARS))
    if options.max_chars is None or sum(map(len, texts)) + len(texts) <= options.max_chars:
        return "\n".join(texts)
    return _some(cells, texts, form, options, options.max_chars)


def _some(
    cells: list[CodeCell], texts: list[str], form: TextForm, options: TextOptions, most: int
) -> str:
    """Return the first and the last cells, each within its share, and how many are not shown."""
    least = [min(len(text), _CELL_LEAST_CHARS) for text in texts]
    count = len(cells)
    outward_in = [each // 2 if each % 2 == 0 else count - 1 - each // 2 for each in range(count)]
    room = most - count + 1
    if sum(least) <= room:
        chosen = outward_in
    else:
        chosen, room = [], most - len(_cells_left_out(count))
        for each in outward_in:
            if least[each] + 1 > room:
                break
            chosen.append(each)
            room -= least[each] + 1
        room += sum(least[each] for each in chosen)
    if not chosen:
        return _first(cells, form, options, most)
    first = len(chosen) - len(chosen) // 2
    missing = count - len(chosen)
    chosen.sort()
    given = shares(
        [len(texts[each]) - least[each] for each in chosen],
        [1.0] * len(chosen),
        room - sum(least[each] for each in chosen),
    )
    shown = [
        texts[each]
        if least[each] + more >= len(texts[each])
        else _cell(cells[each], form, options, max(_LEAST_CHARS, least[each] + more))
        for each, more in zip(chosen, given, strict=True)
    ]
    if missing:
        shown.insert(first, _cells_left_out(missing))
    return "\n".join(shown)


def _first(cells: list[CodeCell], form: TextForm, options: TextOptions, most: int) -> str:
    """Return the first cell without its outputs: there is room for nothing else."""
    missing = [counted(len(cells) - 1, "cell")] if len(cells) > 1 else []
    missing += ["the outputs of this one"] if cells[0].outputs else []
    note = f"\n{_left_out(' and '.join(missing))}" if missing else ""
    source = msgspec.structs.replace(cells[0], outputs=None)
    return f"{_cell(source, form, options, most - len(note))}{note}"


def _cells_left_out(number: int) -> str:
    return _left_out(counted(number, "cell"))


def _left_out(what: str) -> str:
    return f"… {what} left out: more of them by max_chars …\n"


def _cell(
    cell: CodeCell,
    form: TextForm,
    options: TextOptions,
    most: int | None,
    most_of_outputs: int = _CHARS,
) -> str:
    """Return one cell: its source, whole if it fits, and its outputs, never nothing of them.

    Without a ``most`` the source is whole.
    """
    outputs = [msgspec.to_builtins(output) for output in cell.outputs or []]
    is_plain = cell.kind != "code" or form == "text"
    separator = "\n" if form == "markdown" else ""
    source = _source(plain(cell.src), is_plain, most, bool(outputs))
    if not outputs:
        return source
    if most is not None:
        most_of_outputs = max(_LEAST_CHARS, most - len(source) - len(separator) - 1)
    rendered = render(
        outputs,
        max_chars=most_of_outputs,
        form=form,
        traceback=options.traceback,
        more=_ways(cell.execution.id) if cell.execution else None,
    )
    text = (source + separator if source else "") + with_line_end(rendered.text)
    return text if most is None or len(text) <= most else rendered.text


def _source(src: str, is_plain: bool, most: int | None, has_outputs: bool) -> str:
    """Return a cell's source, or as much of it as fits beside the least that outputs have."""
    if most is None:
        return with_line_end(src) if is_plain else fenced(src)
    room = most - 2 - (0 if is_plain else len(fenced(""))) - (_LEAST_CHARS + 1) * has_outputs
    if len(src) <= room or room >= SMALLEST_CHARS:
        src = _cut(src, max(room, 0))
        return with_line_end(src) if is_plain else fenced(src)
    return "" if has_outputs else with_line_end(_cut(src, max(SMALLEST_CHARS, most - 1)))


def _ways(execution: str) -> Ways:
    lines = way_to_all(execution)
    return Ways(lines, lines, way_to_values(execution))


def _cut(text: str, max_chars: int) -> str:
    """Return the text, or its beginning and its end."""
    if len(text) <= max_chars:
        return text
    return Stream.of(text, max_chars).text()
