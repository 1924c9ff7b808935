"""Colours of what the REPL itself writes, where they are wanted (https://no-color.org)."""

from __future__ import annotations

from runt.shows import takes_colour


class Colours:
    """Puts them around text; does nothing where none are wanted."""

    def __init__(self) -> None:
        self.wanted = takes_colour(1)

    def _put(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.wanted else text

    def faint(self, text: str) -> str:
        """Return what is about the work of others."""
        return self._put("2", text)

    def alarm(self, text: str) -> str:
        """Return what went wrong."""
        return self._put("31", text)

    def out(self, count: int | None) -> str:
        """Return the prompt before a value."""
        return self._put("31", f"Out[{'*' if count is None else count}]: ")
