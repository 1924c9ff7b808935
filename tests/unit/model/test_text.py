"""Outputs as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.text import without_ansi


def test_colours_are_taken_out_and_nothing_else() -> None:
    coloured = "\x1b[0;31mError\x1b[0m: \x1b]8;;http://x\x1b\\link\x1b]8;;\x07 [0m]"
    assert without_ansi(coloured) == "Error: link [0m]"


@given(st.text(alphabet=st.characters(exclude_characters="\x1b")))
def test_text_without_escapes_stays(text: str) -> None:
    assert without_ansi(text) == text
