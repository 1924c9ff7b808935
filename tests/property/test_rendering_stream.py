"""A stream of text: the same however it is cut into pieces, within its budget, and counted."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from runtimed.model.rendering.cutting import boundary_after, boundary_before
from runtimed.model.rendering.stream import SMALLEST_CHARS, Stream
from runtimed.model.rendering.terminal import ROW_CHARS, as_shown

#: What moves the cursor, begins a sequence or ends one, among what is printed.
PARTS = st.sampled_from(
    [
        *("a", "bc ", "  ", "é", "e\u0301", "日本", "👩‍👩‍👧", "🇩🇪", "\t", "x" * 70, "same\n", "\n"),
        *("\r", "\r\n", "\b", "\n\n", "\x1b", "\x1b[", "31m", "\x1b[0m", "\x1b[A", "\x1b[2A"),
        *("\x1b[K", "\x1b[2K", "\x1b[1K", "\x1b[J", "\x1b[2J", "\x1b[H", "\x1b[3;5H", "\x1b[5C"),
        *(
            "\x1b[9G",
            "\x1b[B",
            "\x1b[E",
            "\x1b]0;",
            "title",
            "\x07",
            "\x1b\\",
            "\x1b(",
            "B",
            "\x9b",
        ),
        *("1;2", "?25l", "y" * ROW_CHARS, "same\n" * 60, "z\n" * 130, "\x1bP", "\x00", "\ud800"),
    ]
)
PRINTED = st.lists(PARTS, max_size=30).map("".join)
BUDGETS = st.integers(SMALLEST_CHARS, 600)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(PRINTED, st.lists(st.integers(0, 10_000), max_size=8), BUDGETS)
def test_pieces_make_no_difference(text: str, cuts: list[int], budget: int) -> None:
    whole, pieces = Stream(600), Stream(600)
    whole.feed(text)
    for piece in in_pieces(text, cuts):
        pieces.feed(piece)
    assert pieces.cut(budget) == whole.cut(budget)
    assert (pieces.total_chars, pieces.total_lines) == (whole.total_chars, whole.total_lines)


@given(PRINTED, st.lists(st.integers(0, 10_000), max_size=8))
def test_asking_meanwhile_changes_nothing(text: str, cuts: list[int]) -> None:
    asked, whole = Stream(300), Stream(300)
    for piece in in_pieces(text, cuts):
        asked.feed(piece)
        asked.text(100)
    whole.feed(text)
    assert asked.cut() == whole.cut()


@given(PRINTED, BUDGETS)
def test_it_fits_and_nothing_of_a_terminals_is_left(text: str, budget: int) -> None:
    stream = Stream(600)
    stream.feed(text)
    shown = stream.text(budget)
    assert len(shown) <= budget
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    shown.encode()


PLAIN = st.lists(
    st.sampled_from(
        ["a", "line\n", "long " * 30 + "\n", "\n", "é👩‍👩‍👧", "x" * 300, "same\n" * 50]
    ),
    max_size=40,
).map(lambda parts: "".join(parts).rstrip("\n"))


@given(PLAIN, BUDGETS)
def test_what_is_shown_and_what_is_left_out_are_all_of_it(text: str, budget: int) -> None:
    stream = Stream(600)
    stream.feed(text)
    assert stream.total_chars == len(text)
    assert stream.total_lines == (text.count("\n") + 1 if text else 0)
    cut = stream.cut(budget)
    if not cut.omitted_chars:
        assert expanded(cut.text) == text
        return
    note = re.search(r"^… (?:([\d,]+) lines?, )?([\d,]+) characters? left out …$", cut.text, re.M)
    assert note is not None
    assert int(note[2].replace(",", "")) == cut.omitted_chars
    assert int((note[1] or "0").replace(",", "")) == cut.omitted_lines
    head, tail = expanded(cut.text[: note.start()]), expanded(cut.text[note.end() + 1 :])
    # The head is cut within a line: the line end before the note is then not the text's.
    assert text.startswith(head) or text.startswith(head := head.removesuffix("\n"))
    assert text.endswith(tail)
    assert abs(len(text) - len(head) - len(tail) - cut.omitted_chars) <= 1


def expanded(shown: str) -> str:
    """Return the text with the repeated lines in it."""
    again = re.compile(r"^(.*)\n… the line above ([\d,]+) times more$", re.M)
    return again.sub(lambda m: "\n".join([m[1]] * (int(m[2].replace(",", "")) + 1)), shown)


@given(PLAIN.filter(bool), BUDGETS)
def test_no_grapheme_is_cut(text: str, budget: int) -> None:
    stream = Stream(600)
    stream.feed(text)
    assert set(iter_graphemes(stream.text(budget))) <= set(iter_graphemes(text)) | set(
        "… 0123456789,charactersleftoutlinesthelineabovetimesmore\n"
    )


@given(st.text(alphabet="ae\u0301👩\u200d👧🇩🇪\r\n한", max_size=60), st.integers(0, 60))
def test_boundaries_are_those_of_graphemes(text: str, place: int) -> None:
    ends = [0]
    for cluster in iter_graphemes(text):
        ends.append(ends[-1] + len(cluster))
    place = min(place, len(text))
    assert boundary_before(text, place) == max(end for end in ends if end <= place)
    assert boundary_after(text, place) == min(end for end in ends if end >= place)


@given(st.text(alphabet="ab \r\b\n", max_size=60))
def test_carriage_returns_and_backspaces_are_as_on_a_terminal(text: str) -> None:
    rows: list[list[str]] = [[]]
    column = 0
    for char in text:
        if char == "\n":
            rows.append([])
            column = 0
        elif char == "\r":
            column = 0
        elif char == "\b":
            column = max(0, column - 1)
        else:
            rows[-1][column : column + 1] = [char]
            column += 1
    shown = as_shown(text).split("\n")
    assert [row.rstrip() for row in shown] == ["".join(row).rstrip() for row in rows]


@pytest.mark.parametrize("line", ["spam", ""])
def test_equal_lines_are_counted(line: str) -> None:
    stream = Stream(8000)
    stream.feed("first\n")
    for _ in range(4999):
        stream.feed(f"{line}\n")
    stream.feed("last\n")
    assert stream.text() == f"first\n{line}\n… the line above 4,998 times more\nlast"
    assert (stream.total_lines, stream.total_chars) == (5001, 11 - 1 + 4999 * (len(line) + 1))


def test_memory_is_bounded_whatever_comes() -> None:
    import tracemalloc

    stream = Stream(8000)
    pieces = ["x" * 65536, "".join(f"{n}\n" for n in range(9000)), "\x1b]0;" + "t" * 65536, "\x07"]
    tracemalloc.start()
    for _ in range(40):
        for piece in pieces:
            stream.feed(piece)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000
    assert len(stream.text()) <= 8000


def test_nested_progress_bars_are_their_last_state() -> None:
    """As tqdm prints them: down to the inner bar's line, and up again."""
    out = StringIO()
    for outer in range(3):
        for inner in range(50):
            out.write(f"\n\r inner {inner:3}%\x1b[A")
        out.write(f"\router {outer * 50}%")
    assert as_shown(out.getvalue()) == "outer 100%\n inner  49%"
