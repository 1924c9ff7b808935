"""End a kernel, and say which rung did it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

from runtimed.api.errors import KeeperUnavailable
from runtimed.kernels.clock import now_ms
from runtimed.kernels.link import Refused
from runtimed.wire.link import Op, Refusal

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor

#: Seconds for a process to be gone after SIGKILL.
KILL_S = 10.0


async def stop(actor: Actor, grace_s: float) -> str:
    """Ask it to shut down, then SIGTERM, then SIGKILL; return the one that worked.

    Raises `KeeperUnavailable`.
    """
    if actor.row.status == "starting" and not actor.state.is_restarting:
        return await kill(actor)  # there is nobody to be gentle with
    exits = actor.exits
    actor.state.is_stopping = not actor.state.is_restarting
    if actor.state.is_connected:
        content = {"restart": actor.state.is_restarting}
        with contextlib.suppress(Refused):
            msg_id = f"shutdown.{now_ms()}"
            await actor.ask(
                lambda: actor.messenger.post("control", "shutdown_request", content, msg_id=msg_id),
                needs_connection=True,
            )
            if await _ends(actor, exits, grace_s):
                await _settles(actor)
                return "shutdown_request"
    for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_S)):
        await _signal(actor, number)
        if await _ends(actor, exits, seconds):
            await _settles(actor)
            return number.name
    raise KeeperUnavailable(detail=f"pid {actor.row.pid} was not seen to end after SIGKILL")


async def kill(actor: Actor) -> str:
    """Kill the kernel and all processes below it, at once. Raises `KeeperUnavailable`."""
    exits = actor.exits
    actor.state.is_stopping = True
    await _signal(actor, signal.SIGKILL)
    if not await _ends(actor, exits, KILL_S):
        raise KeeperUnavailable(detail=f"pid {actor.row.pid} was not seen to end after SIGKILL")
    await _settles(actor)
    return "SIGKILL"


async def _settles(actor: Actor) -> None:
    """Wait until a start that this has ended has given up: then the runtime is dead."""
    if not actor.state.is_restarting:
        await actor.until(lambda: actor.row.status == "dead")


async def _signal(actor: Actor, number: signal.Signals) -> None:
    actor.state.signalled = int(number)
    try:
        await actor.ask(lambda: actor.messenger.request(Op.SIGNAL, signum=int(number), tree=True))
    except Refused as refusal:
        if refusal.code != Refusal.UNKNOWN_RUNTIME or actor.row.status != "starting":
            raise KeeperUnavailable(detail=str(refusal)) from refusal
        # It has no process yet; its start sees that it is not wanted any more.


async def _ends(actor: Actor, exits: int, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await actor.until(lambda: actor.exits != exits or actor.row.status == "dead")
    except TimeoutError:
        return False
    return True
