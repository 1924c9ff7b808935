"""Handler of ``daemon.gc``: make room, or say what would go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.history import Collected, DaemonGc
from runtimed.service.binding import serves

if TYPE_CHECKING:
    from runtimed.service.context import Context


@serves(DaemonGc)
async def daemon_gc(context: Context, call: DaemonGc) -> Collected:
    return await context.retention.collect(dry_run=call.dry_run)
