"""How many connections there are: those that have shown the token, and the others.

A stranger costs a descriptor until its request is judged. There are few places for strangers, and
whoever comes takes the place of the one that has been undecided for longest: who has the token and
says so at once gets in, however many others hold a connection and say nothing.
"""

from __future__ import annotations

from typing import Protocol

#: Each may need two descriptors, of which a process usually has 1,024.
MOST_KNOWN = 300
MOST_STRANGERS = 100


class Member(Protocol):
    """A connection."""

    def cut(self) -> None:
        """Close it, whatever it is doing."""


class Crowd:
    """The connections of one listener."""

    def __init__(self, most_known: int = MOST_KNOWN, most_strangers: int = MOST_STRANGERS) -> None:
        self._most_known = most_known
        self._most_strangers = most_strangers
        self._known: set[Member] = set()
        #: The one that came first is first.
        self._strangers: dict[Member, None] = {}

    def enter(self, member: Member) -> None:
        self._strangers[member] = None
        if len(self._strangers) > self._most_strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cut()

    def admit(self, member: Member) -> bool:
        """Take note that it has shown the token; return whether there is room for it."""
        if member in self._known:
            return True
        if len(self._known) >= self._most_known:
            return False
        self._strangers.pop(member, None)
        self._known.add(member)
        return True

    def leave(self, member: Member) -> None:
        self._known.discard(member)
        self._strangers.pop(member, None)
