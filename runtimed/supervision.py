"""Whoever supervises this process: sd_notify(3), for the daemon and for the keeper."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sdnotify


class ServiceManager:
    """Whoever supervises this process, told through ``sd_notify``; nobody where it is not set."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.is_present = "NOTIFY_SOCKET" in environ
        self.watchdog_s = _watchdog_s(environ)
        """The manager restarts a process that has not fed it for so long; None: it does not."""
        self._notifier: sdnotify.SystemdNotifier | None = None
        if self.is_present:
            import sdnotify

            self._notifier = sdnotify.SystemdNotifier()

    def notify(self, state: str) -> None:
        """Send one state, such as ``READY=1``; a manager that has gone is not an error."""
        if self._notifier is not None:
            self._notifier.notify(state)

    def reloading(self) -> None:
        """Say that a reload begins; ``READY=1`` ends it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self.notify(f"RELOADING=1\nMONOTONIC_USEC={now_us}")


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return what sd_watchdog_enabled(3) does."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    is_for_us = not pid or pid == str(os.getpid())
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) and is_for_us else None
