"""How far a run has come: one line on stderr that is written over, where that is a terminal."""

from __future__ import annotations

import sys

from runt.shows import takes_colour

#: To the begin of the line, and clear it (ECMA-48).
_OVER = "\r\x1b[K"


class Progress:
    """The line, and sentences above it."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self._name = name
        self._is_shown = sys.stderr.isatty() and not quiet
        self._over = _OVER if takes_colour(2) else "\r"
        self._has_line = False

    def show(self, done: int, total: int) -> None:
        """Say how many cells are done."""
        if self._is_shown:
            sys.stderr.write(f"{self._over}{self._name}: {done} of {total} cells done")
            sys.stderr.flush()
            self._has_line = True

    def say(self, sentence: str) -> None:
        """Print a sentence on a line of its own."""
        self.end()
        sys.stderr.write(f"runt: {sentence}\n")

    def end(self) -> None:
        """Leave the line as it is: what comes next begins below it."""
        if self._has_line:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._has_line = False
