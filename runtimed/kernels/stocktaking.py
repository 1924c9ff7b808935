"""Before the first answer: what the keeper knows, and what it has written, is taken in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.kernels.supervisor import Supervisor

#: How long the keeper's word, and the reading of the journals up to it, are waited for. A keeper
#: that was started anew answers in half a second. A journal of a gigabyte takes longer, and a
#: keeper that hangs may never answer: then the first answers tell what was known last.
PATIENCE_S = 3.0


async def take_stock(supervisor: Supervisor) -> None:
    """Return when every runtime that was loaded is as its keeper and its journal say.

    Nobody else is asked: while a keeper lives, what it has not written down yet is with it.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            for actor in list(supervisor.actors.values()):
                await _is_told(actor)


async def _is_told(actor: Actor) -> None:
    await actor.until(lambda: actor.has_resumed or actor.row.status == "dead")
