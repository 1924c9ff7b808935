"""What a person types becomes an expression that SQLite takes; what ran becomes a text."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.recall import (
    END_CHARS,
    MARK_BEGIN,
    MARK_END,
    like_pattern,
    marked,
    searchable,
    trigrams_expression,
    words_expression,
)


def stream(text: str) -> dict[str, str]:
    return {"op": "stream", "name": "stdout", "text": text}


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ("merge dataframe", '"merge" AND "dataframe"'),
        ('"merge frames" x', '"merge frames" AND "x"'),
        ('"never closed', '"never closed"'),
        ("data*", '"data*" *'),
        ("d*", '"d*"'),
        ("df.*", '"df.*"'),
        ("a OR b NOT c", '"a" AND "OR" AND "b" AND "NOT" AND "c"'),
        ("== x", '"x"'),
        ("code:x ^y {z}", '"code:x" AND "^y" AND "{z}"'),
        ("== -", None),
        ("", None),
    ],
)
def test_words_are_words_whatever_they_are_to_sqlite(query: str, expression: str | None) -> None:
    assert words_expression(query) == expression


@pytest.fixture(scope="module")
def index() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.execute("CREATE VIRTUAL TABLE words USING fts5(text, prefix='2 3')")
    db.execute("CREATE VIRTUAL TABLE parts USING fts5(text, tokenize='trigram', detail=none)")
    return db


@given(query=st.text(alphabet=st.one_of(st.sampled_from('"*^:-+(){}\\ab \0'), st.characters())))
def test_no_query_is_an_error(index: apsw.Connection, query: str) -> None:
    query = query.encode("utf-8", "replace").decode()
    if (expression := words_expression(query)) is not None:
        index.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression,)).fetchall()
    if (trigrams := trigrams_expression(query)) is not None:
        index.execute("SELECT rowid FROM parts WHERE parts MATCH ?", (trigrams,)).fetchall()


@given(
    before=st.text("ab%_\\\"' ", max_size=5),
    text=st.text("ab%_\\\"' ", min_size=3, max_size=60),
    after=st.text("ab%_\\\"' ", max_size=5),
)
def test_what_has_the_text_in_it_is_found(
    index: apsw.Connection, before: str, text: str, after: str
) -> None:
    index.execute("DELETE FROM parts")
    index.execute("INSERT INTO parts VALUES (?)", (before + text + after,))
    found = index.execute(
        "SELECT count(*) FROM parts WHERE parts MATCH ? AND text LIKE ? ESCAPE '\\'",
        (trigrams_expression(text), like_pattern(text)),
    ).get
    assert found == 1


def test_of_an_execution_its_code_errors_and_plain_output_are_searched() -> None:
    bundle = {"text/plain": "42", "text/html": "<b>42</b>"}
    found = searchable(
        "x\0y",
        [
            stream("\x1b[31mred\x1b[0m"),
            {"op": "add", "output": {"output_type": "execute_result", "data": bundle}},
            {"op": "add", "output": {"output_type": "display_data", "data": {"image/png": "AAAA"}}},
            {
                "op": "add",
                "output": {"output_type": "error", "ename": "E", "evalue": "v", "traceback": []},
            },
        ],
    )
    assert (found.code, found.error, found.output) == ("x y", "E: v", "red\n42")


def test_of_long_output_both_ends_are_searched() -> None:
    text = searchable("", [stream("a" * END_CHARS + "b" * 99 + "c" * END_CHARS)]).output
    assert text == "a" * END_CHARS + "\n…\n" + "c" * END_CHARS


def test_what_was_cleared_is_not_searched() -> None:
    clear = {"op": "clear", "wait": False}
    assert searchable("", [stream("old"), clear, stream("new")]).output == "new"
    assert searchable("", [stream("first")], [stream("x"), clear, stream("new")]).output == "new"
    assert searchable("", [stream("first")], [stream("last")]).output == "first\nlast"


def test_marks_are_places_in_the_text() -> None:
    snippet = f"{MARK_BEGIN}ab{MARK_END} c {MARK_BEGIN}d{MARK_END}"
    assert marked(snippet) == ("ab c d", [[0, 2], [5, 6]])
    assert marked("none") == ("none", [])
