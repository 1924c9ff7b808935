"""What the service manager hears while the daemon runs: what it does, and that its loop turns."""

from __future__ import annotations

import asyncio
import faulthandler
import os
from typing import TYPE_CHECKING

from runtimed.config import BadSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.hub import Hub
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.supervision import ServiceManager

#: The status line is at most so old, and is sent at most so often.
STATUS_INTERVAL_S = 1.0
#: The environment variable that asks for a watchdog of our own, where no manager has one.
ABORT_VARIABLE = "RUNTIMED_WATCHDOG_S"
#: A watchdog is fed so many times as often as it must be.
_FEEDS = 2


class Reporter:
    """Keeps a status line up to date, and feeds the watchdogs. Owned by the daemon, on its loop.

    Where nobody is to be told it does nothing, and while nothing changes it does not wake up.
    """

    def __init__(
        self,
        manager: ServiceManager,
        supervisor: Supervisor,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises `BadSetting`."""
        self._manager = manager
        self._supervisor = supervisor
        self._abort_s = abort_s(environ)
        self._problem = ""
        self._said = ""
        self._timer: asyncio.TimerHandle | None = None

    def ready(self, hub: Hub) -> None:
        """Say that the daemon answers; from now on, report whenever something is published."""
        self._manager.notify("READY=1")
        if self._manager.is_present:
            hub.on_publish = self._changed
            self._report()

    def _changed(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(STATUS_INTERVAL_S, self._report)

    def _report(self) -> None:
        self._timer = None
        status = self._status()
        if status != self._said:
            self._said = status
            self._manager.notify(f"STATUS={status}")

    def _status(self) -> str:
        running = queued = 0
        for actor in self._supervisor.actors.values():
            ours, theirs = actor.state.executions, actor.state.foreign_open
            running += sum(row.status != "queued" for row in (*ours.values(), *theirs.values()))
            queued += sum(row.status == "queued" for row in ours.values())
        count = sum(row.status != "dead" for row in self._supervisor.rows.values())
        noun = "runtime" if count == 1 else "runtimes"
        return f"{count} {noun}, {running} running, {queued} queued{self._problem}"

    def reloading(self) -> None:
        """Say that a reload begins."""
        self._manager.reloading()

    def reloaded(self, error: str | None) -> None:
        """Say that it is over; what went wrong stays in the status until another one succeeds."""
        self._problem = f"; the configuration is not read again: {error}" if error else ""
        self._report()
        self._manager.notify("READY=1")

    def stopping(self) -> None:
        """Say that the daemon stops; there are no more reports."""
        if self._timer is not None:
            self._timer.cancel()
        self._manager.notify("STOPPING=1")

    async def feed_watchdogs(self) -> None:
        """Show that the loop turns, until cancelled, to whoever restarts us when it does not.

        Without a service manager that does: a thread of faulthandler's writes all stacks and ends
        the process, whatever holds the interpreter. Both go by CLOCK_MONOTONIC, which stands still
        while the machine sleeps.
        """
        limits_s = [limit for limit in (self._manager.watchdog_s, self._abort_s) if limit]
        if not limits_s:
            return
        try:
            while True:
                self._manager.notify("WATCHDOG=1")
                if self._abort_s:
                    faulthandler.dump_traceback_later(self._abort_s, exit=True)
                await asyncio.sleep(min(limits_s) / _FEEDS)
        finally:
            faulthandler.cancel_dump_traceback_later()


def abort_s(environ: Mapping[str, str]) -> float | None:
    """Return after how long a standstill the daemon ends itself. Raises `BadSetting`."""
    if not (text := environ.get(ABORT_VARIABLE)):
        return None
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = 0.0
    if not 0 < limit_s < float("inf"):
        raise BadSetting(f"{ABORT_VARIABLE} must be a number of seconds above 0, not {text!r}")
    return limit_s
