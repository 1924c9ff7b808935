"""What was written to the terminal last, as far as it can be taken back. Pure.

A terminal scrolls, so what can be written anew is what is still on its screen and was written by
nobody else since: rows are counted from the last `settle`, and marks are places in that stretch.
"""

from __future__ import annotations

import re

from runt.render import display_width

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_TAB = 8
#: Control characters whose width is known.
_COUNTED = {ord("\t"): None, 7: None}


class Tail:
    """Counts rows and columns of what is written, until it has lost count."""

    def __init__(self, columns: int, rows: int) -> None:
        self._size = (columns, rows)
        self._row = self._column = 0
        self._is_lost = False
        #: The text of the line that the cursor is on.
        self.line = ""

    def resize(self, columns: int, rows: int) -> None:
        """Take the terminal's size; where it is another, lines may have moved."""
        if (columns, rows) != self._size:
            self._size = (columns, rows)
            self._is_lost = True

    def settle(self) -> None:
        """Begin anew, at the beginning of a line: what stands above is not to be touched."""
        self._row = self._column = 0
        self._is_lost = False
        self.line = ""

    @property
    def is_at_line_start(self) -> bool:
        """Whether the next text begins a line."""
        return not self.line

    def mark(self) -> int | None:
        """Return this place, for `back_to`; None where it has no number."""
        return None if self._is_lost or self.line else self._row

    def wrote(self, text: str) -> None:
        """Take note of what is written."""
        *_, last = text.rsplit("\n", 1)
        self.line = last if "\n" in text else self.line + text
        self.line = self.line.rsplit("\r", 1)[-1]
        if self._is_lost:
            return
        columns, rows = self._size
        for line in _COLOURS.sub("", text).split("\n"):
            if self._row >= rows:
                self._is_lost = True
                return
            self._write_line(line, columns)
            self._row, self._column = self._row + 1, 0
        self._row -= 1
        self._column = 0 if not last else self._last_column(columns)

    def _write_line(self, line: str, columns: int) -> None:
        for piece in line.split("\r"):
            if not piece.translate(_COUNTED).isprintable():
                self._is_lost = True  # what moves the cursor in other ways
                return
            width = self._column + self._width(piece)
            self._row += max(0, width - 1) // columns
            self._column = 0

    def _width(self, piece: str) -> int:
        width = 0
        for number, part in enumerate(piece.replace("\x07", "").split("\t")):
            if number:
                width += _TAB - width % _TAB
            width += len(part) if part.isascii() else display_width(part)
        return width

    def _last_column(self, columns: int) -> int:
        width = self._width(_COLOURS.sub("", self.line))
        return (width - 1) % columns + 1 if width else 0

    def back_to(self, mark: int | None) -> str | None:
        """Return what takes the cursor back there and clears the screen below; None: too late."""
        if mark is None or self._is_lost or self._row - mark >= self._size[1] - 1:
            return None
        up = self._row - mark
        self._row, self._column, self.line = mark, 0, ""
        return (f"\x1b[{up}A" if up else "") + "\r\x1b[J"
