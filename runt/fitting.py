"""Lines of output as one text that fits: of a long line what is around the match."""

from __future__ import annotations

import re

from runt.failures import UsageFailure
from runtimed.model.rendering.stream import Stream
from runtimed.model.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Of several long lines, each has so much of the text at most; in short texts as much as this.
_SHARE, _LEAST_CHARS = 4, 120
#: What is said about the rest of a line takes about as much.
_BESIDE_CHARS = 60


class Fitting:
    """Takes lines, however many there are, and keeps what may be shown of them."""

    def __init__(self, max_chars: int, pattern: str | None) -> None:
        self._stream = Stream(max_chars)
        try:
            self._pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise UsageFailure(f"--grep is no regular expression: {error}") from None
        self._around = max(_LEAST_CHARS, max_chars // _SHARE) - _BESIDE_CHARS
        self._has_shortened = False

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            # What was looked for is shown, and not what a terminal has made of it since.
            for part in (line,) if self._pattern is None else self._matching(plain(line)):
                self._stream.feed(part + "\n")

    def ended(self) -> tuple[str, bool]:
        """Return the text, and whether it is all of the lines."""
        cut = self._stream.cut()
        return cut.text, cut.is_complete and not self._has_shortened

    def _matching(self, line: str) -> Iterator[str]:
        """Yield the parts of a line that match, between what moves a terminal's cursor back."""
        assert self._pattern is not None  # noqa: S101
        parts = line.split("\n")
        found = [part for part in parts if self._pattern.search(part)] or parts
        self._has_shortened = self._has_shortened or len(found) < len(parts)
        yield from map(self._around_match, found)

    def _around_match(self, text: str) -> str:
        """Return the text, or the part of a long one that was looked for."""
        if self._pattern is None or len(text) <= self._around + _BESIDE_CHARS:
            return text
        self._has_shortened = True
        found = self._pattern.search(text)
        place = found.start() if found else 0
        begin = max(0, min(place - self._around // 2, len(text) - self._around))
        end = min(len(text), begin + self._around)
        before = f"… {begin:,} characters … " if begin else ""
        after = f" … {len(text) - end:,} characters …" if end < len(text) else ""
        return before + text[begin:end] + after
