"""Text of any length, as little of it as fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.model.rendering.terminal import Terminal
from runtimed.model.rendering.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.model.rendering.cutting import Cut

#: The least that `Stream.text` can be asked for.
SMALLEST_CHARS = 80


class Stream:
    r"""What was printed, as a terminal shows it, in bounded memory.

    Colours are removed, ``\r``, ``\b`` and cursor movements applied, equal lines that follow one
    another counted. Head and tail are kept, so that any budget up to ``max_chars`` can be served.
    The result does not depend on where the text was cut into pieces.
    """

    def __init__(self, max_chars: int) -> None:
        self.max_chars = max_chars
        self._transcript = Transcript(max_chars)
        self._terminal = Terminal(self._transcript)

    @classmethod
    def of(cls, pieces: str | Iterable[str], max_chars: int) -> Stream:
        """Return a stream that has been fed with these pieces, or with one text."""
        stream = cls(max_chars)
        for piece in (pieces,) if isinstance(pieces, str) else pieces:
            stream.feed(piece)
        return stream

    def feed(self, piece: str) -> None:
        """Take more of the text, in pieces of any size."""
        self._terminal.feed(piece)

    def ended(self) -> Transcript:
        """Return what there is, as if nothing came any more; more may be fed all the same."""
        return self._transcript.ended(self._terminal.rows())

    @property
    def total_chars(self) -> int:
        """Characters of all of it as shown, repeated lines as often as they came."""
        return self.ended().total_chars

    @property
    def total_lines(self) -> int:
        return self.ended().total_lines

    def cut(self, max_chars: int | None = None) -> Cut:
        """Return what fits, and how much is left out. Raises `ValueError` for too few."""
        if max_chars is None:
            max_chars = self.max_chars
        if not SMALLEST_CHARS <= max_chars <= self.max_chars:
            raise ValueError(f"{max_chars} is not between {SMALLEST_CHARS} and {self.max_chars}")
        return self.ended().cut(max_chars)

    def text(self, max_chars: int | None = None) -> str:
        """Return what fits; a line says how much was left out. No line end at its end."""
        return self.cut(max_chars).text
