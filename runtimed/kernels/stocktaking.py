"""Before the first answer: take in what the journals hold, and find out who lives at all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from runtimed import host
from runtimed.logs import about

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)

#: How long the keeper's word, and the reading of the journals up to it, are waited for. A journal
#: of a gigabyte takes longer: then the first answers tell what was taken in so far.
KEEPER_S = 3.0
#: How long journals are read for that no keeper says anything of.
ALONE_S = 2.0


async def take_stock(supervisor: Supervisor) -> None:
    """Return when every runtime that was loaded is as its journal and its process say.

    At the latest in `KEEPER_S` and `ALONE_S`.
    """
    actors = list(supervisor.actors.values())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KEEPER_S):
            for actor in actors:
                await _is_told(actor)
    if supervisor.link is not None or not actors:
        return
    log.warning("no keeper tells of the kernels yet: those without a process are taken for dead")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ALONE_S), asyncio.TaskGroup() as looks:
            for actor in actors:
                looks.create_task(_look(actor), name=f"look {actor.row.id}")


async def _is_told(actor: Actor) -> None:
    await actor.until(lambda: actor.has_resumed or actor.row.status == "dead")


async def _look(actor: Actor) -> None:
    """Read the journal without a keeper's word; end the runtime if its process has ended."""
    if await asyncio.to_thread(_has_ended, actor.row):
        log.warning("its process is gone", extra=about(actor.row.id))
        actor.resume(None)
        await _is_told(actor)
    else:
        actor.reading.has_ended.clear()
        actor.ring()
        await actor.reading.has_ended.wait()


def _has_ended(row: RuntimeRow) -> bool:
    """Whether the process that we know is certainly gone; a zombie is."""
    if row.pid is None or row.start_time is None:
        return False
    return (
        row.boot_id != host.boot_id()
        or host.process_start_time(row.pid) != row.start_time
        or host.process_state(row.pid) in (None, "Z", "X")
    )
