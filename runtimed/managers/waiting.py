"""Wait for a process that is not our child to end."""

from __future__ import annotations

import os
import select
import time

from runtimed.host import ON_LINUX


def wait_for_exit(pid: int, timeout_s: float) -> bool:
    """Return whether the process has ended, as soon as it has or the time is over."""
    if ON_LINUX:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(timeout_s * 1000))
        finally:
            os.close(fd)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
