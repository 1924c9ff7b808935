"""Keep file descriptors free: what is served already must go on when no more can be taken in."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from runtimed.host import ON_LINUX
from runtimed.keeper.request import Refused
from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

#: For journals, probes, the daemon's next connection, and what a spawn needs while it lasts.
RESERVED = 64
#: A ZeroMQ socket and its monitor: a signaller of each end, the connection, the monitor's own.
PER_CHANNEL = 4
#: The journal, and what tells that the process has exited.
PER_KERNEL = 2


class Room:
    """The descriptors that this process may still open.

    ``promised`` tells how many channels are about to be opened: they have none yet.
    """

    def __init__(self, promised: Callable[[], int]) -> None:
        self._promised = promised

    def check(self, channels: int, kernels: int) -> None:
        """Refuse if so many more would leave too few."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit == resource.RLIM_INFINITY:
            return
        used = open_descriptors() + PER_CHANNEL * self._promised()
        needed = PER_CHANNEL * channels + PER_KERNEL * kernels
        if used + needed + RESERVED > limit:
            raise Refused(
                Refusal.NO_ROOM,
                f"of the {limit} file descriptors that the keeper may have, {used} are taken, "
                f"{needed} more are needed, and {RESERVED} must stay free",
            )


def open_descriptors() -> int:
    """Return how many descriptors this process has."""
    return len(os.listdir("/proc/self/fd" if ON_LINUX else "/dev/fd")) - 1
