"""Documents as text: that it says what it does not have."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtimed.api.notebooks import CodeCell
from runtimed.api.rendering import Rendered, TextOptions
from runtimed.api.types import OutputPage
from runtimed.server.http.rendering import note, of_cells
from runtimed.server.http.text import render

GAP = {"reason": "kernel_dropped", "from_at": None, "to_at": None, "count": 12}
REMOVED = {"at": "2026-01-01T00:00:00.000Z", "reason": "retention", "size_bytes": 99}


def page(**more: Any) -> OutputPage:
    few = {"execution": "01X", "status": "done", "lines": ["a"], "unfinished": None, "cursor": 1}
    return msgspec.convert(few | {"total_lines": 1, "more": False} | more, OutputPage)


@pytest.mark.parametrize(
    ("document", "last"),
    [
        (page(), "a"),
        (
            page(more=True, total_lines=9),
            "[there are 9 lines; GET /v0/executions/01X/output?cursor=1 goes on]",
        ),
        (page(gap=GAP), "[some of the output never arrived: kernel_dropped, 12 messages]"),
    ],
)
def test_the_last_line_of_a_page_says_what_is_missing(document: Any, last: str) -> None:
    assert render(document, is_markdown=False).splitlines()[-1] == last
    if last.startswith("["):
        assert render(document, is_markdown=True).splitlines()[-1] == f"*{last}*"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"status": "done"}, ""),
        (
            {"status": "done", "gap": GAP},
            "[some of the output never arrived: kernel_dropped, 12 messages]\n",
        ),
        (
            {"status": "error", "outputs_removed": REMOVED},
            "[outputs of 99 bytes were removed at 2026-01-01T00:00:00.000Z: retention]\n",
        ),
        ({"status": "running"}, "[running: /v0/executions/1abcdefg?wait_s=30 waits]\n"),
    ],
)
def test_so_does_that_of_an_execution(facts: dict[str, Any], said: str) -> None:
    empty = dict.fromkeys(Rendered.__struct_fields__)
    few = {"execution": "01ABCDEFG1ABCDEFG", "text": "a", "is_complete": True, "images": []}
    numbers = {"total_chars": 1, "total_lines": 1, "omitted": [], "outputs": 1}
    rendered = msgspec.convert({**empty, **few, **numbers, **facts}, Rendered)
    assert note(rendered, "text") == said


def cell(index: int, text: str, src: str = "work()") -> CodeCell:
    empty = dict.fromkeys(CodeCell.__struct_fields__)
    given = {"id": "01C", "notebook": "01N", "index": index, "kind": "code", "src": src}
    output = {"output_type": "stream", "name": "stdout", "text": text}
    more = {"nb_id": "a", "metadata": {}, "queued": [], "outputs": [output], "etag": "e"}
    return msgspec.convert({**empty, **given, **more}, CodeCell)


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("most", [200, 250, 700, 3000, 20_000])
def test_what_is_left_out_of_cells_is_counted_truly(form: Any, most: int) -> None:
    text = "".join(f"line {n}\n" for n in range(1000))
    cells = [cell(n, text, f"step({n})") for n in range(60)]
    found = of_cells(cells, form, TextOptions(max_chars=most))
    assert len(found) <= most
    shown = sum(f"step({n})" in found for n in range(60))
    left = [line for line in found.split("\n") if "cell" in line and "left out" in line]
    assert shown > 0
    assert shown + sum(int(line.split()[1]) for line in left) == 60
    if most < 300:
        assert "59 cells and the outputs of this one left out: more of them by max_chars" in found
        return
    for part in found.split("step(")[1:]:
        lines = sum(line.startswith("line ") for line in part.split("\n"))
        missing = [line for line in part.split("\n") if " lines, " in line]
        assert lines + sum(int(line.split()[1].replace(",", "")) for line in missing) == 1000


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_one_cell_keeps_to_its_budget(form: Any) -> None:
    for src in ("x", "x = 1\n" * 500, "y" * 5000):
        for text in ("out\n", "out\n" * 3 + "z" * 9000):
            for most in (200, 230, 400, 1000):
                found = of_cells(cell(0, text, src), form, TextOptions(max_chars=most))
                assert 0 < len(found) <= most
                assert "out" in found


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_sources_are_whole_where_no_budget_is_asked_for(form: Any) -> None:
    src = "".join(f"x{n} = {n}\n" for n in range(2000))
    cells = [cell(0, "out\n" * 3 + "z" * 9000, src), cell(1, "", src)]
    found = of_cells(cells, form, TextOptions())
    assert found.count(src) == 2
    assert "out" in found
    assert len(found) < 2 * len(src) + 2100
    assert src in of_cells(cells[0], form, TextOptions())


def test_what_a_document_has_cut_is_said_once() -> None:
    few = cell(0, "a\n")
    assert few.outputs is not None
    few.outputs[0].truncated_chars = 5
    assert of_cells(few, "text", TextOptions()).count("5 more characters") == 1
    assert "5 characters more" not in of_cells(few, "text", TextOptions())
