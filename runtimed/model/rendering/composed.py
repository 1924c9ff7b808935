"""Forms of two parts, one of which matters more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtimed.model.rendering.cutting import Cut
from runtimed.model.rendering.forms import LEAST_CHARS, Text

if TYPE_CHECKING:
    from runtimed.model.rendering.cutting import Way
    from runtimed.model.rendering.forms import Form
    from runtimed.model.rendering.tracebacks import Traceback


@dataclass(frozen=True)
class Noted:
    """A form with a line below it, where there is room for that."""

    form: Form
    note: str

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
        return None if inner is None else inner + 1 + len(self.note)

    def within(self, max_chars: int) -> Cut:
        room = max_chars - 1 - len(self.note)
        inner = self.form.shown_chars
        if room < (LEAST_CHARS if inner is None else min(inner, LEAST_CHARS)):
            return self.form.within(max_chars)
        cut = self.form.within(room)
        text = f"{cut.text}\n{self.note}"
        return Cut(text, cut.omitted_chars, cut.omitted_lines, cut.is_summary)


class Error:
    """A traceback: where it happened, and what was raised, which matters more."""

    way: Way = "traceback"

    def __init__(self, traceback: Traceback, max_chars: int) -> None:
        self._wheres = traceback.wheres
        self._is_what_first = traceback.is_what_first
        self._what = Text(traceback.what, max_chars) if traceback.what else None
        longest = self._wheres[0]
        where_chars = len(longest.text) + 1 if longest.text else 0
        what = self._what
        self.total_chars = where_chars - 1 + longest.omitted_chars
        self.total_lines = longest.text.count("\n") + bool(longest.text) + longest.omitted_lines
        self.shown_chars: int | None = where_chars - 1
        if what is not None:
            self.total_chars += what.total_chars + 1
            self.total_lines += what.total_lines
            known = what.shown_chars
            self.shown_chars = None if known is None else where_chars + known

    def within(self, max_chars: int) -> Cut:
        room = max_chars - (self._what is not None)  # a line end between both
        wanted = self._wanted(room)
        shortest = next((len(w.text) for w in reversed(self._wheres) if w.text), 0)
        for_where = max(room - wanted, room // 3, min(shortest, room // 2))
        for_where = min(for_where, room - min(wanted, LEAST_CHARS))
        where = next((w for w in self._wheres if len(w.text) <= for_where), self._wheres[-1])
        place = Cut(where.text, where.omitted_chars, where.omitted_lines)
        if not where.text and shortest and for_where >= LEAST_CHARS:
            place = self._begun(for_where)
        if self._what is None:
            return place
        what = self._what.within(max_chars - len(place.text) - bool(place.text))
        both = (what, place) if self._is_what_first else (place, what)
        return Cut(
            "\n".join(cut.text for cut in both if cut.text),
            place.omitted_chars + what.omitted_chars,
            place.omitted_lines + what.omitted_lines,
        )

    def _wanted(self, room: int) -> int:
        """Return what the message needs."""
        if self._what is None:
            return 0
        return room if self._what.shown_chars is None else self._what.shown_chars

    def _begun(self, max_chars: int) -> Cut:
        """Return the shortest way to tell where, cut like any text."""
        where = next(w for w in reversed(self._wheres) if w.text)
        cut = Text(where.text, max_chars).within(max_chars)
        return Cut(
            cut.text,
            cut.omitted_chars + where.omitted_chars,
            cut.omitted_lines + where.omitted_lines,
        )
