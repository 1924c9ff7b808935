"""What an output is as text: whole, or as much as fits into a budget."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runtimed.model.rendering.cutting import Cut, Way, counted, left_out
from runtimed.model.rendering.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: What every form can do with: room for the line that says how much is left out.
LEAST_CHARS = 80


class Form(Protocol):
    """One output as text."""

    @property
    def total_chars(self) -> int:
        """Characters, where nothing is left out."""

    @property
    def total_lines(self) -> int:
        """Lines, where nothing is left out."""

    @property
    def shown_chars(self) -> int | None:
        """How long the whole of it is as shown; None where that is more than any budget."""

    @property
    def way(self) -> Way:
        """Where the rest of it is to be had."""

    def within(self, max_chars: int) -> Cut:
        """Return what fits into this many characters, `LEAST_CHARS` or more."""


#: What an output that is not what its kind says may raise, wherever it is looked at.
UNRENDERABLE = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
    *(MemoryError, RecursionError),
)


@dataclass(frozen=True)
class Isolated:
    """A form that may turn out not to be one; then a line says so, as its ``subject``."""

    form: Form
    subject: str

    @property
    def total_chars(self) -> int:
        return self.form.total_chars

    @property
    def total_lines(self) -> int:
        return self.form.total_lines

    @property
    def shown_chars(self) -> int | None:
        return self.form.shown_chars

    @property
    def way(self) -> Way:
        return self.form.way

    def within(self, max_chars: int) -> Cut:
        try:
            return self.form.within(max_chars)
        except UNRENDERABLE as error:
            text = not_rendered(self.subject, error)
            if len(text) > max_chars:
                text = text[: max_chars - 1] + "…"
            return Cut(text, is_summary=True)


def not_rendered(subject: str, error: BaseException) -> str:
    """Return the line that stands for an output of which no text could be made."""
    return f"[{subject}: cannot be shown as text ({type(error).__name__})]"


@dataclass(frozen=True)
class Omitted:
    """Outputs of which only is known how many they were, and about how long."""

    outputs: int
    total_chars: int
    total_lines: int
    way: Way = "text"

    @property
    def _text(self) -> str:
        return outputs_left_out(self.outputs, self.total_chars).replace(", ", ", about ", 1)

    @property
    def shown_chars(self) -> int | None:
        return len(self._text)

    def within(self, max_chars: int) -> Cut:
        return Cut(self._text, self.total_chars, self.total_lines, True, self.outputs)


def outputs_left_out(outputs: int, chars: int) -> str:
    """Return the line that stands where outputs are left out."""
    return f"… {counted(outputs, 'output')}, {counted(chars, 'character')} left out …"


class Text:
    """Text as a terminal shows it."""

    def __init__(
        self, text: str | Iterable[str] | Stream, max_chars: int, way: Way = "text"
    ) -> None:
        self.way: Way = way
        stream = text if isinstance(text, Stream) else Stream.of(text, max_chars)
        self._transcript = stream.ended()
        self.total_chars = self._transcript.total_chars
        self.total_lines = self._transcript.total_lines
        self.shown_chars = self._transcript.shown_chars

    def within(self, max_chars: int) -> Cut:
        return self._transcript.cut(max_chars)


class Shortened:
    """Something with a structure, which knows itself how to become shorter.

    ``shorten`` returns None where it cannot; then it is text like any other.
    """

    way: Way = "value"

    def __init__(self, whole: str, shorten: Callable[[int], str | None]) -> None:
        self._whole = whole
        self._shorten = shorten
        self.total_chars = self.shown_chars = len(whole)
        self.total_lines = whole.count("\n") + 1

    def within(self, max_chars: int) -> Cut:
        if self.total_chars <= max_chars:
            return Cut(self._whole)
        text = self._shorten(max_chars)
        if text is None or len(text) > max_chars:
            return Text(self._whole, max_chars).within(max_chars)
        return Cut(text, is_summary=True)


@dataclass(frozen=True)
class Summary:
    """A form of something that has more in it than its text says."""

    form: Form
    way: Way = "value"

    @property
    def total_chars(self) -> int:
        return self.form.total_chars

    @property
    def total_lines(self) -> int:
        return self.form.total_lines

    @property
    def shown_chars(self) -> int | None:
        return self.form.shown_chars

    def within(self, max_chars: int) -> Cut:
        cut = self.form.within(max_chars)
        return Cut(cut.text, cut.omitted_chars, cut.omitted_lines, is_summary=True)


@dataclass(frozen=True)
class Fenced:
    """A form between Markdown's fences, which are longer than any in it."""

    form: Form
    language: str = ""

    @property
    def way(self) -> Way:
        return self.form.way

    @property
    def total_chars(self) -> int:
        return self.form.total_chars

    @property
    def total_lines(self) -> int:
        return self.form.total_lines

    @property
    def shown_chars(self) -> int | None:
        inner = self.form.shown_chars
        return None if inner is None else len(self.within(inner + 2**20).text)

    def within(self, max_chars: int) -> Cut:
        room = max_chars - len(fenced("", self.language)) + 1
        while room >= LEAST_CHARS or room >= (self.form.shown_chars or room + 1):
            cut = self.form.within(room)
            text = fenced(cut.text, self.language).removesuffix("\n")
            if len(text) <= max_chars:
                return Cut(text, cut.omitted_chars, cut.omitted_lines, cut.is_summary)
            room -= len(text) - max_chars
        chars, lines = self.total_chars, self.total_lines
        return Cut(left_out(lines, chars), chars, lines)


def fenced(text: str, language: str = "") -> str:
    """Return the text between fences that are longer than any in it, with a line end."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{with_line_end(text)}{fence}\n"


def with_line_end(text: str) -> str:
    """Return the text with a line end, but where there is no text."""
    return text if not text or text.endswith("\n") else text + "\n"
