"""Lines as they are read: equal ones counted, head and tail kept, all of them counted."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from runtimed.model.rendering.cutting import (
    Cut,
    boundary_after,
    boundary_before,
    encodable,
    left_out,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: What is kept beyond the budget, so that a cut sees what comes after it.
_SLACK_CHARS = 128


#: A line, a run of equal lines, or a piece of a very long line, as it is shown; then the lines and
#: characters that it stands for, line ends included. A tuple: there are millions of them.
_Item = tuple[str, int, int]


def _run(line: str, count: int) -> _Item:
    text = f"{line}\n"
    chars = count * len(text)
    if count > 1:
        note = f"… the line above {count - 1:,} times more\n"
        text = text + note if chars - len(text) > len(note) else text * count
    return text, count, chars


class Transcript:
    """The head and the tail of what was printed, and exact counts of all of it."""

    def __init__(self, max_chars: int) -> None:
        self._room = max_chars + _SLACK_CHARS
        self._head: list[_Item] = []
        self._head_chars = 0
        self._tail: deque[_Item] = deque()
        self._tail_chars = 0
        self._has_dropped = False
        self._line: str | None = None
        self._count = 0
        self._is_continuing = False
        self._chars = self._lines = 0

    def add(self, row: str, is_wrapped: bool) -> None:
        """Take a row; where it is wrapped, the next one goes on with the same line."""
        if not (is_wrapped or self._is_continuing):
            self.extend((row,))
            return
        self._end_run()
        self._is_continuing = is_wrapped
        text = row if is_wrapped else row + "\n"
        self._keep((text, 0 if is_wrapped else 1, len(text)))

    def extend(self, lines: Iterable[str]) -> None:
        """Take whole lines."""
        if self._is_continuing:
            first, *lines = lines
            self.add(first, is_wrapped=False)
        current, count = self._line, self._count
        for line in lines:
            if line == current:
                count += 1
                continue
            if count == 1:
                text = f"{current}\n"
                self._keep((text, 1, len(text)))
            elif current is not None:
                self._keep(_run(current, count))
            current, count = line, 1
        self._line, self._count = current, count

    def ended(self, rows: Sequence[tuple[str, bool]]) -> Transcript:
        """Return what it is with these rows at its end, less what is blank there."""
        copy = Transcript(0)
        copy.__dict__.update(self.__dict__)
        copy._head, copy._tail = self._head.copy(), self._tail.copy()
        count = len(rows)
        while count and not rows[count - 1][0]:
            count -= 1
        for row, is_wrapped in rows[:count]:
            copy.add(row, is_wrapped)
        if copy._is_continuing:
            copy.add("", is_wrapped=False)
        copy._end_run()
        return copy

    def _end_run(self) -> None:
        if self._line is not None:
            self._keep(_run(self._line, self._count))
            self._line, self._count = None, 0

    def _keep(self, item: _Item) -> None:
        text, lines, chars = item
        self._lines += lines
        self._chars += chars
        if self._head_chars <= self._room:
            self._head.append(item)
            self._head_chars += len(text)
            return
        tail = self._tail
        tail.append(item)
        kept = self._tail_chars + len(text)
        while kept - (first := len(tail[0][0])) > self._room:
            tail.popleft()
            kept -= first
            self._has_dropped = True
        self._tail_chars = kept

    # What follows is asked of one that has ended.

    @property
    def total_lines(self) -> int:
        return self._lines

    @property
    def total_chars(self) -> int:
        return max(0, self._chars - 1)

    @property
    def shown_chars(self) -> int | None:
        """How long it is where nothing is left out of it; None where that has been dropped."""
        if self._has_dropped:
            return None
        return max(0, self._head_chars + self._tail_chars - 1)

    def cut(self, max_chars: int) -> Cut:
        """Return what fits: all of it, or head and tail, and what is left out between them.

        Raises `ValueError` where not even that can be said.
        """
        items = [*self._head, *self._tail]
        shown = self.shown_chars
        if shown is not None and shown <= max_chars:
            return Cut(encodable("".join(text for text, _, _ in items)[:shown]))
        room = max_chars - len(left_out(self._lines, self._chars)) - len("\n\n")
        if room < 0:
            raise ValueError(f"{max_chars} characters are too few")
        head, used, begun = _head_of(self._head if self._has_dropped else items, room // 2)
        lines = self._lines - sum(lines for _, lines, _ in items[:used])
        chars = self._chars - sum(chars for _, _, chars in items[:used]) - begun
        rest = items[used:]
        if begun:
            text, its_lines, its_chars = rest[0]
            rest[0] = (text[begun:], its_lines, its_chars - begun)
            head += "\n"
        # What was dropped lies between head and tail: the one may not reach into the other.
        least = max(0, len(self._head) - used) if self._has_dropped else 0
        tail, tail_lines, tail_chars = _tail_of(rest, room - len(head) + 1, least)
        lines, chars = lines - tail_lines, chars - tail_chars
        return Cut(encodable(f"{head}{left_out(lines, chars)}\n{tail}"), chars, lines)


def _head_of(items: Sequence[_Item], room: int) -> tuple[str, int, int]:
    """Return what fits of the beginning: text, items, and characters of the next one."""
    parts: list[str] = []
    left = room
    for text, _, _ in items:
        if len(text) > left:
            break
        parts.append(text)
        left -= len(text)
    used, begun = len(parts), 0
    if used < len(items) and (left > room // 2 or items[used][1] == 0):
        line = items[used][0].partition("\n")[0]
        begun = boundary_before(line, left)
        parts.append(line[:begun])
    return "".join(parts), used, begun


def _tail_of(items: Sequence[_Item], room: int, least: int) -> tuple[str, int, int]:
    """Return what fits of the end: text without its line end, lines and characters."""
    parts: list[str] = []
    left, all_lines, all_chars = room + 1, 0, 0
    for text, lines, chars in reversed(items[least:]):
        if len(text) > left:
            if left > room // 2 or lines == 0:
                last = _last_line(text, is_counted=chars != len(text))
                last = last[boundary_after(last, len(last) - left) :]
                parts.append(last)
                all_chars += len(last)
                all_lines += last.endswith("\n")
            break
        parts.append(text)
        left -= len(text)
        all_lines += lines
        all_chars += chars
    return "".join(reversed(parts)).removesuffix("\n"), all_lines, all_chars


def _last_line(text: str, *, is_counted: bool) -> str:
    """Return the last of an item's lines; of equal ones that are counted the one that is there."""
    if is_counted:
        return text.partition("\n")[0] + "\n"
    return text[text.rfind("\n", 0, len(text) - 1) + 1 :]
