"""How many messages a kernel has dropped, by the numbers in its messages' ids.

A publisher's queue for a reader that is behind has an end (ipykernel's: libzmq's 1,000 messages),
and what comes then is gone without a word. Kernels on jupyter_client's Session number what they
send, ``<session>_<pid>_<number>``, so a hole in the numbers may be a loss. It need not be: replies
and questions on other channels take numbers too, an object with ``_ipython_display_`` takes one and
sends nothing, and threads may send in another order than they were numbered in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

#: A hole of so many proves nothing.
SMALL = 16
#: libzmq gives a full queue room again once half of its 1,000 are read: between two real holes, and
#: before the first of a connection, more messages than these arrive.
_RUN = 400
#: Forked children are numbered each by itself; of so many processes the numbers are known.
_PROCESSES = 64
#: Of the pieces of a stream, while only one process speaks, one in eight is looked at (a mask).
_SKIPPED = 7
_HOLES = 64
_ELSEWHERE = 4096


@dataclass(slots=True)
class _Hole:
    prefix: str
    below: int
    above: int
    missing: int

    @property
    def dropped(self) -> int:
        return self.missing if self.missing > SMALL else 0


class Numbering:
    """The numbers of one connection to one process, and of the children that speak through it."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}
        self._heard = self._looked_at = self._full_at = 0
        self._is_alone = False
        self._holes: deque[_Hole] = deque(maxlen=_HOLES)
        self._elsewhere: deque[tuple[str, int]] = deque(maxlen=_ELSEWHERE)

    def hear(self, msg_id: str, msg_type: str = "") -> int:
        """Take note of a message on iopub; return how many more are known to be dropped.

        Negative where what was taken for dropped was only late.
        """
        self._heard += 1
        if self._heard & _SKIPPED and self._is_alone and msg_type == "stream":
            return 0  # counted only: a status ends each execution, and is looked at
        prefix, _, digits = msg_id.rpartition("_")
        if not prefix:
            return 0
        try:
            number = int(digits)
        except ValueError:
            return 0
        highest = self._highest.get(prefix)
        skipped = self._heard - self._looked_at - 1
        self._looked_at = self._heard
        if highest is None:
            self._meet(prefix, number)
            return 0
        if number <= highest:
            return self._come_late(prefix, number)
        self._highest[prefix] = number
        missing = number - highest - 1 - skipped
        return 0 if missing <= SMALL else self._jump(prefix, highest, number, missing)

    def hear_elsewhere(self, msg_id: str, _: str = "") -> int:
        """Take note of a message on another channel; return as `hear`."""
        prefix, _, digits = msg_id.rpartition("_")
        highest = self._highest.get(prefix)
        if highest is None or not digits.isdecimal():
            return 0
        number = int(digits)
        if number < highest:
            return self._come_late(prefix, number)
        self._elsewhere.append((prefix, number))
        return 0

    def _meet(self, prefix: str, number: int) -> None:
        if not prefix.rpartition("_")[2].isdecimal():
            return  # other kernels' ids are not numbered so
        self._highest[prefix] = number
        if len(self._highest) > _PROCESSES:
            # Never the first: that is the kernel, the others are its children.
            del self._highest[next(islice(self._highest, 1, None))]
        self._is_alone = len(self._highest) == 1

    def _jump(self, prefix: str, highest: int, number: int, missing: int) -> int:
        seen = sum(p == prefix and highest < n < number for p, n in self._elsewhere)
        hole = _Hole(prefix, highest, number, missing - seen)
        if hole.dropped == 0:
            return 0
        was_full = self._heard - self._full_at > _RUN
        self._full_at = self._heard
        if not was_full:
            return 0
        self._holes.append(hole)
        return hole.dropped

    def _come_late(self, prefix: str, number: int) -> int:
        for hole in self._holes:
            if hole.prefix == prefix and hole.below < number < hole.above:
                before = hole.dropped
                hole.missing -= 1
                return hole.dropped - before
        return 0
