"""Rendered outputs: never above the budget, never empty, never silent about what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.rendering.abridged import abridged, as_json
from runtimed.model.rendering.render import SMALLEST_CHARS, render
from runtimed.model.rendering.sharing import shares

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=60,
)
TEXT = st.text(max_size=200) | st.builds(
    lambda line, count: line * count,
    st.sampled_from(["row 1\n", "x", "👩‍👩‍👧", "```\n", "`" * 50 + "\n", "\x1b[31mred\x1b[0m\n"]),
    st.integers(1, 2000),
)
HTML = st.lists(
    st.sampled_from(
        [
            *("<table>", "</table>", "<tr>", "</tr>", "<th>", "<td>cell", "</td>", "<thead>"),
            *("<td colspan=7>", "<td rowspan=3>", "<p>", "text ", "<script>", "</script>", "<pre>"),
            *(
                "<a href='u'>",
                "</a>",
                "<img src='data:image/png;base64,AAAA'>",
                "<!--",
                "&lt;",
                "<",
            ),
        ]
    ),
    max_size=40,
).map("".join)
REFERENCE = st.just({"blob": "ab" * 32, "size_bytes": 300_000, "encoding": "utf8"})
BUNDLE = st.dictionaries(
    st.sampled_from(
        [
            *("text/plain", "text/html", "text/markdown", "text/latex", "application/json"),
            *("image/png", "image/svg+xml", "application/pdf", "application/geo+json"),
            *("application/vnd.plotly.v1+json", "application/vnd.vegalite.v5+json"),
            *("application/vnd.jupyter.widget-view+json", "audio/wav", "application/x-odd"),
        ]
    ),
    TEXT | HTML | JSON | REFERENCE,
    max_size=4,
)
OUTPUT = st.one_of(
    st.builds(
        lambda name, text: {"output_type": "stream", "name": name, "text": text},
        st.sampled_from(["stdout", "stderr"]),
        TEXT,
    ),
    st.builds(
        lambda kind, data: {"output_type": kind, "data": data, "metadata": {}},
        st.sampled_from(["display_data", "execute_result"]),
        BUNDLE,
    ),
    st.builds(
        lambda lines: {"output_type": "error", "ename": "E", "evalue": "v", "traceback": lines},
        st.lists(
            TEXT
            | st.sampled_from(
                [
                    *(
                        "Cell In[1], line 2",
                        "----> 2 f()",
                        "E: boom",
                        '  File "a.py", line 1, in f',
                    ),
                    *("File /lib/python3.11/site-packages/p/a.py:3, in g()", "    at f (ext:1:1)"),
                    "The above exception was the direct cause of the following exception:",
                ]
            ),
            max_size=12,
        ),
    ),
)
FORMS = st.sampled_from(["text", "markdown"])


@given(
    st.lists(OUTPUT, max_size=12),
    st.integers(SMALLEST_CHARS, 3000),
    FORMS,
    st.sampled_from(["trimmed", "full"]),
    st.sampled_from([None, "runt output e1234567", "m" * 300]),
)
def test_it_fits_is_never_empty_and_says_what_is_missing(
    outputs: list[dict[str, Any]], max_chars: int, form: Any, traceback: Any, more: str | None
) -> None:
    shown = render(outputs, max_chars=max_chars, form=form, traceback=traceback, more=more)
    assert 0 < len(shown.text) <= max_chars
    shown.text.encode()
    assert bool(shown.omitted) != shown.is_complete
    if not shown.is_complete and more == "runt output e1234567":
        assert shown.text.endswith(f"All of it: {more}]")


@given(st.integers(1, 3000), st.integers(SMALLEST_CHARS, 2000), FORMS)
def test_of_many_outputs_the_last_is_shown_and_the_others_are_counted(
    count: int, max_chars: int, form: Any
) -> None:
    outputs = [
        {"output_type": "display_data", "data": {"text/plain": f"value {n} {'.' * (n % 40)}"}}
        for n in range(count)
    ]
    outputs[count // 3] = {"output_type": "error", "ename": "Odd", "evalue": "e", "traceback": []}
    outputs[-1] = {"output_type": "display_data", "data": {"text/plain": "the last one"}}
    shown = render(outputs, max_chars=max_chars, form=form, more="runt output e1")
    assert len(shown.text) <= max_chars
    assert "the last one" in shown.text
    missing = sum(f"value {n} " not in shown.text for n in range(count - 1) if n != count // 3)
    assert (missing == 0) == shown.is_complete or max_chars < 300


@given(JSON, st.integers(80, 2000))
def test_json_stays_json(value: Any, max_chars: int) -> None:
    short = abridged(value, max_chars)
    if short is not None:
        assert len(short) <= max_chars
        json.loads(short)
    json.loads(as_json(value))


@given(st.lists(st.integers(), max_size=3000) | st.dictionaries(st.text(), st.text(), max_size=300))
def test_any_list_or_object_has_a_short_form(value: Any) -> None:
    short = abridged(value, 80)
    assert short is not None
    assert type(json.loads(short)) is type(value)


def test_json_as_deep_as_one_likes() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    json.loads(as_json(value))
    assert render([{"output_type": "display_data", "data": {"application/json": value}}]).text


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.sampled_from([1.0, 2.0, 3.0])), max_size=20),
    st.integers(0, 5000),
)
def test_shares_are_within_the_room_and_nobody_gets_more_than_wanted(
    wanting: list[tuple[int, float]], room: int
) -> None:
    wants, weights = [want for want, _ in wanting], [weight for _, weight in wanting]
    given_ = shares(wants, weights, room)
    assert all(0 <= got <= want for got, want in zip(given_, wants, strict=True))
    assert sum(given_) <= max(room, 0)
    if sum(wants) <= room:
        assert given_ == wants


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="200"):
        render([], max_chars=SMALLEST_CHARS - 1)
