"""Two clocks: what rows and events note, and how long something has lasted."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return milliseconds since the epoch: a person may set this clock."""
    return time.time_ns() // 1_000_000


def steady_s() -> float:
    """Return seconds that only ever pass one by one, and not while the machine sleeps.

    What is to end after a time of silence or idleness is measured with it: neither a clock that
    was set nor a lid that was closed makes anything look dead, or unused.
    """
    return time.monotonic()
