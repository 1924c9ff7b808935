"""What is left of a text that is too long, and where text may be cut.

Never inside a grapheme (UAX #29), as far as one is sensible: of a cluster that is longer than
`_MOST_CLUSTER_CHARS` nobody says that it is one character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: As lines of text, as all frames of a traceback, or only as the value that was displayed.
Way = Literal["text", "traceback", "value"]

_MOST_CLUSTER_CHARS = 64


@dataclass(frozen=True, slots=True)
class Cut:
    """A text within its budget. What is left out of it is counted.

    ``is_summary``: what it stands for has more in it than characters that were counted.
    ``outputs``: of how many outputs it is.
    """

    text: str
    omitted_chars: int = 0
    omitted_lines: int = 0
    is_summary: bool = False
    outputs: int = 1

    @property
    def is_complete(self) -> bool:
        return not (self.omitted_chars or self.omitted_lines or self.is_summary)


def boundary_before(text: str, position: int) -> int:
    """Return the last place, at most at the position, where the text may be cut."""
    if position <= 0 or position >= len(text):
        return max(0, min(position, len(text)))
    if text[position - 1].isascii() and text[position].isascii():
        return position - (text[position - 1 : position + 1] == "\r\n")
    from wcwidth import grapheme_boundary_before

    begin = max(0, position - _MOST_CLUSTER_CHARS)
    start = begin + grapheme_boundary_before(text[begin : position + 1], position + 1 - begin)
    return start if start > begin or begin == 0 else position


def boundary_after(text: str, position: int) -> int:
    """Return the first place, at least at the position, where the text may be cut."""
    last = min(len(text), position + _MOST_CLUSTER_CHARS)
    for place in range(max(0, position), last):
        if boundary_before(text, place) == place:
            return place
    return last


def encodable(text: str) -> str:
    """Return the text with question marks for lone surrogates, which no encoding has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def counted(number: int, noun: str) -> str:
    """Return a number of things: ``1 line``, ``1,200 lines``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def left_out(lines: int, chars: int) -> str:
    """Return the line that stands where text was left out."""
    if lines:
        return f"… {counted(lines, 'line')}, {counted(chars, 'character')} left out …"
    return f"… {counted(chars, 'character')} left out …"
