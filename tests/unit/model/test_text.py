"""Outputs as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.text import output_text, without_ansi, without_commands


def test_colours_are_taken_out_and_nothing_else() -> None:
    coloured = "\x1b[0;31mError\x1b[0m: \x1b]8;;http://x\x1b\\link\x1b]8;;\x07 [0m]"
    assert without_ansi(coloured) == "Error: link [0m]"


def test_what_a_terminal_would_not_show_is_taken_out() -> None:
    assert without_ansi("\x1b(Bplain\x1b7\x1b[?25l\x1b[1;31;4mred\x1bM") == "plainred"
    assert without_ansi("\x1bP1$r\x1b\\a\x1b]0;title\nnext\x1b") == "a\nnext"


@given(st.text(alphabet=st.characters(exclude_characters="\x1b")))
def test_text_without_escapes_stays(text: str) -> None:
    assert without_ansi(text) == text


def test_what_commands_a_terminal_is_taken_out() -> None:
    for text, left in (
        ("\x1b[1;31mred\x1b[0m\r\n\tand\b", "\x1b[1;31mred\x1b[0m\r\n\tand\b"),
        ("\x1b]52;c;aGk=\x07a\x1b]0;title\x1b\\b", "ab"),
        ("\x1bP1$r\x1b\\a\x1b[?1049hb\x1b[2Jc\x1bc", "abc"),
        ("\x9b2J\x9d52;c;x\x9c\x07\x00", "2J52;c;x"),
        ("cut \x1b", "cut "),
        ("cut \x1b[3", "cut [3"),
        ("cut \x1b]52;c;", "cut "),
    ):
        assert without_commands(text) == left


def test_text_that_lies_elsewhere_is_named_with_its_place() -> None:
    there = {"blob": "3fa4", "size_bytes": 400_000, "encoding": "utf8"}
    output = {"output_type": "display_data", "data": {"text/plain": there, "image/png": "AA=="}}
    assert output_text(output) == "<text/plain, 400 KB, in blob 3fa4> <image/png>"
    json = {"output_type": "display_data", "data": {"text/plain": "J", "application/json": [1]}}
    assert output_text(json) == "J"
    assert output_text(json, "application/json") == "[1]"
