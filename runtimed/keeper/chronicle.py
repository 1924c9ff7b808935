"""What is written down of one runtime, and what it adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtimed.keeper.facts import Facts
from runtimed.keeper.journal import Journal
from runtimed.wire.journal import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.keeper.surroundings import Surroundings


class Chronicle:
    """The owner of one runtime's journal: a fact is taken into account when it is journaled."""

    def __init__(self, id: str, directory: str, surroundings: Surroundings) -> None:
        self.id = id
        self.facts = Facts()
        self._surroundings = surroundings
        self.journal = Journal(directory, surroundings.pending, self.facts.segment, self._begun)

    def _begun(self, head: dict[str, Any]) -> None:
        self.facts.apply(Kind.EVENT, head, ())

    @property
    def end(self) -> int:
        """The logical end of the journal."""
        return self.journal.end

    def record(
        self,
        kind: Kind,
        meta: dict[str, Any],
        frames: Sequence[bytes | memoryview] = (),
        *,
        or_refuse: bool = False,
    ) -> bool:
        """Journal a record and take it into account; return whether it is written.

        With ``or_refuse`` a record that cannot be written now has never been.
        """
        written = self.journal.append(kind, meta, frames, or_refuse=or_refuse)
        if written or not or_refuse:
            self.facts.apply(kind, meta, frames)
        if written and _is_news(kind, meta):
            # What a kernel says in the middle of its work waits for what it says next.
            is_urgent = kind != Kind.RECV or not self.facts.busy
            self._surroundings.ring(self.id, self.journal.end, is_urgent=is_urgent)
        elif not written and not or_refuse:
            self._surroundings.stuck()
        return written

    def event(self, event: Event, **fields: Any) -> bool:
        """Journal an event of the present incarnation."""
        incarnation = self.facts.incarnation
        return self.record(Kind.EVENT, {"event": event, "incarnation": incarnation, **fields})

    def exited(self, reason: str, *, pid: int | None = None, **fields: Any) -> None:
        """Journal the end of the process, with what is known of it."""
        known: dict[str, Any] = {"code": None, "signal": None, "oom": False, **fields}
        self.event(Event.EXITED, pid=pid, reason=reason, **known)

    def set_recording(self, record: str, session: str) -> None:
        """Change what is written of the messages of other sessions than this one.

        It holds from now on, also where the disk is full: then the event waits in memory.
        """
        if (record, session) != (self.facts.record, self.facts.session):
            self.event(Event.RECORDING, record=record, session=session)

    def retry(self) -> bool:
        """Write what waits for a writable disk; return whether nothing waits any more."""
        end = self.journal.end
        is_written = self.journal.retry()
        if self.journal.end != end:
            self._surroundings.ring(self.id, self.journal.end)
        return is_written

    def rotate(self) -> bool:
        """Begin a new segment."""
        rotated = self.journal.rotate()
        self._surroundings.ring(self.id, self.journal.end)
        return rotated


def _is_news(kind: Kind, meta: dict[str, Any]) -> bool:
    """Whether the daemon is told at once: what it has sent itself is answered, and then echoed.

    An answer to an input_request is news all the same: nothing echoes it.
    """
    return kind != Kind.SENT or meta["c"] == "stdin"
