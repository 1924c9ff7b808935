r"""What a terminal would show of a text: ``\r``, ``\b`` and cursor movements applied.

A progress bar is its last state. Rows that the cursor can still reach are kept, the others have
scrolled away; as a row ends after `ROW_CHARS` characters, memory is bounded whatever comes. It
makes no difference where a text is cut into pieces.

Sequences are those of ECMA-48, colours and all that cannot be seen are dropped. A cleared screen
scrolls away: what was printed is not lost by it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from runtimed.model.text import ANSI, STRING_BEGINS

if TYPE_CHECKING:
    from collections.abc import Iterable

ROWS = 50
ROW_CHARS = 4096

_LINE_ENDS = "\n\x0b\x0c"
_CONTROL = re.compile(ANSI + r"|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]")
#: All of them but the line feed.
_MOVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: The beginning of a sequence whose end the next piece may bring.
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[ -/]{0,4})")
_UNFINISHED_CHARS = 75
_STRING = re.compile(r"\x1b" + STRING_BEGINS + r"[^\x07\x1b\n]*")
_STRING_ENDS = re.compile(r"[\x07\x1b\n]")


class Scrolled(Protocol):
    """Where rows go that have scrolled away."""

    def add(self, row: str, is_wrapped: bool) -> None:
        """Take a row; where it is wrapped, the next one goes on with the same line."""

    def extend(self, lines: Iterable[str]) -> None:
        """Take whole lines."""


class _Row:
    __slots__ = ("is_overwritten", "is_wrapped", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.is_wrapped = False
        self.is_overwritten = False

    def shown(self) -> str:
        """Return its text; spaces that were to erase what had been there are not shown."""
        return self.text.rstrip(" ") if self.is_overwritten and not self.is_wrapped else self.text


class Terminal:
    """Rows of text, and a cursor."""

    def __init__(self, scrolled: Scrolled) -> None:
        self._scrolled = scrolled
        self._rows = [_Row()]
        self._row = self._column = 0
        self._screen_top = 0
        self._pending = ""
        self._is_in_string = False

    def rows(self) -> list[tuple[str, bool]]:
        """Return the rows that have not scrolled away: text, and whether the next continues it."""
        return [(row.shown(), row.is_wrapped) for row in self._rows]

    def feed(self, piece: str) -> None:
        """Show more text."""
        piece = self._whole_sequences(piece)
        if self._row == len(self._rows) - 1:
            if "\r\n" in piece:
                piece = piece.replace("\r\n", "\n")
            if _MOVES.search(piece) is None:
                self._print(piece)
                return
        end = 0
        for found in _CONTROL.finditer(piece):
            if found.start() > end:
                self._write(piece[end : found.start()])
            end = found.end()
            self._control(found.group())
        if end < len(piece):
            self._write(piece[end:])

    def _whole_sequences(self, piece: str) -> str:
        """Return what is pending and the piece, less the sequence that the piece does not end."""
        piece, self._pending = self._pending + piece, ""
        if self._is_in_string:
            end = _STRING_ENDS.search(piece)
            if end is None:
                return ""
            self._is_in_string = False
            piece = piece[end.start() :]
        start = piece.rfind("\x1b")
        if start < 0:
            return piece
        if _STRING.fullmatch(piece, start):
            self._is_in_string = True
            return piece[:start]
        if len(piece) - start <= _UNFINISHED_CHARS and _UNFINISHED.fullmatch(piece, start):
            self._pending = piece[start:]
            return piece[:start]
        return piece

    def _print(self, text: str) -> None:
        """Write lines on the last row and below it, as most text is."""
        first, *lines = text.split("\n")
        self._write(first)
        if len(lines) > ROWS and max(map(len, lines)) <= ROW_CHARS:
            for row in self._rows:
                self._scrolled.add(row.shown(), row.is_wrapped)
            self._scrolled.extend(lines[:-ROWS])
            self._rows = [_Row(line) for line in lines[-ROWS:]]
            self._row, self._column = ROWS - 1, len(lines[-1])
            self._screen_top = 0
            return
        for line in lines:
            self._line_feed()
            self._write(line)

    def _write(self, text: str) -> None:
        begin, end = 0, len(text)
        while begin < end:
            if self._column >= ROW_CHARS:
                self._rows[self._row].is_wrapped = True
                self._line_feed()
            row, column = self._rows[self._row], self._column
            written = text[begin : begin + ROW_CHARS - column]
            begin += len(written)
            self._column += len(written)
            if column == len(row.text):
                row.text += written
                continue
            row.is_overwritten = True
            before = row.text[:column].ljust(column)
            row.text = before + written + row.text[self._column :]

    def _line_feed(self) -> None:
        self._row += 1
        self._column = 0
        if self._row < len(self._rows):
            return
        self._rows.append(_Row())
        if len(self._rows) > ROWS:
            row = self._rows.pop(0)
            self._scrolled.add(row.shown(), row.is_wrapped)
            self._row -= 1
            self._screen_top = max(0, self._screen_top - 1)

    def _control(self, control: str) -> None:
        if control in _LINE_ENDS:
            self._line_feed()
        elif control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(0, self._column - 1)
        elif control.startswith("\x1b["):
            first, _, second = control[2:-1].partition(";")
            if (first + second).isdigit() or first + second == "":
                self._sequence(control[-1], int(first or 0), int(second or 0))

    def _sequence(self, final: str, first: int, second: int) -> None:
        count, last = min(first or 1, ROW_CHARS), len(self._rows) - 1
        match final:
            case "A" | "F":
                self._row = max(0, self._row - count)
            case "B" | "E":
                self._row = min(last, self._row + count)
            case "C":
                self._column = min(ROW_CHARS, self._column + count)
            case "D":
                self._column = max(0, self._column - count)
            case "G":
                self._column = count - 1
            case "H" | "f":
                self._go_to(min(count, ROWS) - 1, min(second or 1, ROW_CHARS) - 1)
            case "J":
                self._erase_below() if first == 0 else self._clear(first)
            case "K":
                self._erase_in_row(first)
        if final in "EF":
            self._column = 0

    def _go_to(self, row: int, column: int) -> None:
        target = self._screen_top + row
        self._row = min(target, len(self._rows) - 1)
        while self._row < target < ROWS:
            self._line_feed()
        self._column = column

    def _erase_in_row(self, mode: int) -> None:
        row = self._rows[self._row]
        if mode == 0:
            row.text = row.text[: self._column]
        elif mode == 1:
            row.text = " " * min(self._column + 1, len(row.text)) + row.text[self._column + 1 :]
            row.is_overwritten = True
        else:
            row.text = ""
        row.is_wrapped = row.is_wrapped and mode == 1

    def _erase_below(self) -> None:
        self._erase_in_row(0)
        del self._rows[self._row + 1 :]

    def _clear(self, mode: int) -> None:
        if mode not in (2, 3):
            return
        while self._rows and not self._rows[-1].shown():
            self._rows.pop()
        for row in self._rows:
            self._scrolled.add(row.shown(), row.is_wrapped)
        self._rows = [_Row()]
        self._row = self._column = self._screen_top = 0


class _Everything:
    """Keeps the rows that scroll away."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def add(self, row: str, is_wrapped: bool) -> None:
        self.parts.append(row if is_wrapped else row + "\n")

    def extend(self, lines: Iterable[str]) -> None:
        self.parts += [line + "\n" for line in lines]


def as_shown(text: str) -> str:
    """Return all of a text as a terminal leaves it."""
    if _MOVES.search(text) is None:
        return text
    everything = _Everything()
    terminal = Terminal(everything)
    terminal.feed(text)
    for row, is_wrapped in terminal.rows():
        everything.add(row, is_wrapped)
    return "".join(everything.parts).removesuffix("\n")
