"""What a kernel has of ours on its shell channel, in the order in which it takes it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Sight(enum.StrEnum):
    """What is known of a request that is not known to be over."""

    MARKER = "marker"
    """No dispatch: its place in the queue is all that it is kept for."""
    EXPECTED = "expected"
    """Whoever listens on iopub will hear it begin."""
    MISSED = "missed"
    """It may have begun while nobody listened."""
    SEEN = "seen"
    """It was heard to begin, or it is answered."""


_UNSEEN = (Sight.EXPECTED, Sight.MISSED)


@dataclass(slots=True)
class ShellQueue:
    """The requests that this process of the kernel was sent and is not known to be past.

    A kernel takes them one after the other: whichever shows signs of life, those before it are
    over, whether or not that was heard.
    """

    requests: dict[str, Sight] = field(default_factory=dict)
    is_deaf: bool = False
    """Whether nothing was heard since we connected again: the subscription may be on its way."""

    @property
    def has_unseen(self) -> bool:
        return any(sight in _UNSEEN for sight in self.requests.values())

    def sent(self, msg_id: str, is_dispatch: bool) -> None:
        """Append a request."""
        if not is_dispatch:
            self.requests[msg_id] = Sight.MARKER
        else:
            self.requests[msg_id] = Sight.MISSED if self.is_deaf else Sight.EXPECTED

    def unsent(self, msg_id: str) -> None:
        """Take back what did not reach the socket."""
        self.requests.pop(msg_id, None)

    def seen(self, msg_id: str) -> list[str]:
        """Note a sign of life; return the requests that are over for that reason."""
        if msg_id not in self.requests:
            return []
        order = list(self.requests)
        over = order[: order.index(msg_id)]
        for each in over:
            del self.requests[each]
        if self.requests[msg_id] is not Sight.MARKER:
            self.requests[msg_id] = Sight.SEEN
        return over

    def ended(self, msg_id: str) -> list[str]:
        """Note that a request is over; return those before it, which are too."""
        over = self.seen(msg_id)
        self.requests.pop(msg_id, None)
        return over

    def connected_again(self) -> None:
        """Whatever was said in between is lost: also that something began."""
        self.is_deaf = True
        for msg_id, sight in self.requests.items():
            if sight is Sight.EXPECTED:
                self.requests[msg_id] = Sight.MISSED

    def is_unseen(self, msg_id: str) -> bool:
        """Say whether nothing was heard of this dispatch."""
        return self.requests.get(msg_id) in _UNSEEN

    @property
    def has_missed(self) -> bool:
        return Sight.MISSED in self.requests.values()

    def may_be_passed(self, msg_id: str) -> bool:
        """Say whether a dispatch behind this request may be running, unheard."""
        order = list(self.requests)
        behind = order[order.index(msg_id) + 1 :] if msg_id in self.requests else order
        return any(self.requests[each] is Sight.MISSED for each in behind)

    def may_run_unheard(self, msg_id: str) -> bool:
        """Say whether of all our dispatches only this one can be running, unheard.

        What is sent to prepare it (its id with a suffix) belongs to it.
        """
        if self.requests.get(msg_id) is not Sight.MISSED:
            return False
        return not any(
            sight in _UNSEEN and other != msg_id and not other.startswith(f"{msg_id}.")
            for other, sight in self.requests.items()
        )
