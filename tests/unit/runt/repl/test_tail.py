"""What can be taken back of what was written: rows and columns as a terminal counts them."""

from __future__ import annotations

import pytest

from runt.repl.tail import Tail

UP = "\x1b[{}A\r\x1b[J"


def wrote(*texts: str, columns: int = 10, rows: int = 5) -> Tail:
    tail = Tail(columns, rows)
    for text in texts:
        tail.wrote(text)
    return tail


@pytest.mark.parametrize(
    ("texts", "up"),
    [
        (["one\n"], 1),
        (["one"], 0),
        (["one\ntwo"], 1),
        (["one\n", "two\n"], 2),
        (["0123456789"], 0),  # the last column does not wrap yet
        (["0123456789\n"], 1),
        (["01234567890"], 1),
        (["01234567890\n"], 2),
        (["01234", "567890"], 1),
        (["\x1b[31m0123456789\x1b[0m\n"], 1),
        (["50%\r", "60%\r", "70%"], 0),
        (["日本語日本語"], 1),  # two columns each
        (["a\tb\n"], 1),
        (["a\tbcd\n"], 2),  # the tab goes to column 8
    ],
)
def test_rows_are_counted(texts: list[str], up: int) -> None:
    assert wrote(*texts).back_to(0) == (UP.format(up) if up else "\r\x1b[J")


@pytest.mark.parametrize(
    "texts",
    [["1\n2\n3\n4\n5\n"], ["x" * 1000], ["\x1b[2A"], ["\x1b[H"], ["a\bb"]],
    ids=["scrolled", "wrapped", "up", "home", "backspace"],
)
def test_what_cannot_be_counted_stays(texts: list[str]) -> None:
    assert wrote(*texts).back_to(0) is None


def test_another_size_moves_lines() -> None:
    tail = wrote("one\n")
    tail.resize(10, 5)
    assert tail.back_to(0) is not None
    tail.resize(20, 5)
    assert tail.back_to(0) is None
    tail.settle()
    tail.wrote("two\n")
    assert tail.back_to(0) == UP.format(1)


def test_a_mark_is_a_place() -> None:
    tail = wrote("one\n")
    mark = tail.mark()
    tail.wrote("two\nthree\n")
    assert tail.back_to(mark) == UP.format(2)
    tail.wrote("2\n")
    assert tail.back_to(0) == UP.format(2)
    tail.wrote("half a line")
    assert tail.mark() is None


def test_the_line_that_has_not_ended() -> None:
    assert wrote("one\ntwo", " three").line == "two three"
    assert wrote("1%\r2%").line == "2%"
    assert wrote("one\n").is_at_line_start
