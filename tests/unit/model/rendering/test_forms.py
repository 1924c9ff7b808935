"""Tables, pages, plots and maps, the well-made and the hostile ones."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from runtimed.model.rendering import plots, series
from runtimed.model.rendering.hypertext import as_text, only_table
from runtimed.model.rendering.render import render


def table(*rows: str) -> str:
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def cells(*texts: object, tag: str = "td") -> str:
    return "".join(f"<{tag}>{text}</{tag}>" for text in texts)


def test_cells_over_several_rows_and_columns_keep_the_others_in_place() -> None:
    html = table(
        cells("a", "b", "c", tag="th"),
        "<td rowspan=2>x</td><td colspan=2>wide</td>",
        cells(1, 2),
    )
    found = only_table(html)
    assert found is not None
    assert found.header == [["a", "b", "c"]]
    assert found.rows == [["x", "wide", ""], ["", "1", "2"]]


def test_spans_that_nobody_can_draw_are_bounded() -> None:
    html = table("<td colspan=999999999>x</td><td rowspan=999999999>y</td>", cells(1))
    found = only_table(html)
    assert found is not None
    assert len(found.rows[0]) == 101


def test_a_wide_table_loses_its_middle() -> None:
    html = table(*(cells(*(f"r{row}c{column}" for column in range(60))) for row in range(60)))
    text = render(
        [{"output_type": "display_data", "data": {"text/html": html}}], max_chars=400
    ).text
    assert text.startswith("[60 rows × 60 columns]\n")
    for corner in ("r0c0", "r0c59", "r59c0", "r59c59"):
        assert corner in text
    assert " more rows" in text and "…" in text.split("\n")[1]


@pytest.mark.parametrize(
    ("html", "text", "markdown"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo", "one\n\ntwo"),
        ("a<br>b &amp; c", "a\nb & c", "a\nb & c"),
        ("<h2>T</h2>x", "T\n\nx", "## T\n\nx"),
        ("<a href='u'>go</a>", "go (u)", "[go](u)"),
        ("<a name='u'>go</a>", "go", "go"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b", "- a\n- b"),
        ("<pre>  a\n   b</pre>", "a\n   b", "a\n   b"),
        ("<img alt='a plot' src='x.png'>", "[image: a plot]", "[image: a plot]"),
        (
            "<img src='data:image/png;base64,AAAA'>",
            "[image: data:image/png]",
            "[image: data:image/png]",
        ),
        ("<style>p{}</style><script>f()</script>seen", "seen", "seen"),
        ("<b>open <i>never closed", "open never closed", "open never closed"),
        ("</td></table></a></script>text", "text", "text"),
    ],
)
def test_html_is_read(html: str, text: str, markdown: str) -> None:
    assert as_text(html) == text
    assert as_text(html, is_markdown=True) == markdown


def typed(values: list[float], form: str, dtype: str) -> dict[str, str]:
    data = struct.pack(f"<{len(values)}{form}", *values)
    return {"dtype": dtype, "bdata": base64.b64encode(data).decode()}


@pytest.mark.parametrize(("form", "dtype"), [("d", "f8"), ("f", "f4"), ("h", "i2"), ("B", "u1")])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 100])
def test_typed_arrays_are_read_at_both_ends(form: str, dtype: str, count: int) -> None:
    numbers: list[Any] = list(range(count))
    values = typed(numbers, form, dtype)
    assert series.length(values) == count
    assert series.preview(values) == series.preview(numbers)


def test_a_figure_of_many_traces_is_described_in_a_few_lines() -> None:
    said = plots.plotly({"data": [{"type": "bar", "x": [1], "y": [2]}] * 400, "layout": {}})
    assert said is not None
    assert said.startswith("Plotly figure: 400 traces\n- bar, 1 point — x: 1; y: 2\n")
    assert said.endswith("\n- … 388 more traces")


@pytest.mark.parametrize("describe", [plots.plotly, plots.vega, plots.geojson])
@pytest.mark.parametrize(
    "value",
    [
        *(None, [], "text", {}, {"data": 1}),
        {"data": [None, {"x": {"bdata": "?", "dtype": "no"}}]},
        {"type": "FeatureCollection", "features": [1, {"geometry": {"coordinates": [[1], "a"]}}]},
        {"layer": [1, {"mark": {}, "encoding": 3}], "data": [1], "datasets": {"a": [[]]}},
    ],
)
def test_whatever_comes_is_described_or_left(describe: Any, value: Any) -> None:
    assert describe(value) is None or describe(value)
