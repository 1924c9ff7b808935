"""End a kernel, and say which rung did it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import KeeperUnavailable, NotConfirmed
from runtimed.kernels import connection_files, identity
from runtimed.kernels.clock import now_ms
from runtimed.kernels.link import Refused
from runtimed.model.ids import short
from runtimed.wire.link import Op, Refusal

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.store.runtimes import RuntimeRow

#: Seconds for a process to be gone after SIGKILL.
KILL_S = 10.0
#: Seconds for a kernel of somebody else's to answer, that has not done so yet.
ANSWER_S = 2.0


async def stop(actor: Actor, grace_s: float) -> str:
    """Ask it to shut down, then SIGTERM, then SIGKILL; return the one that worked.

    Raises `KeeperUnavailable` or `NotConfirmed`.
    """
    is_ours = actor.row.origin == "launched"
    if is_ours and actor.row.status == "starting" and not actor.state.is_restarting:
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
                await _end_rest(actor)
                return "shutdown_request"
    for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_S)):
        await _signal(actor, number)
        if await _ends(actor, exits, seconds):
            await _settles(actor)
            await _end_rest(actor)
            return number.name
    raise KeeperUnavailable(detail=f"pid {actor.row.pid} was not seen to end after SIGKILL")


async def kill(actor: Actor) -> str:
    """Kill the kernel and all processes below it, at once.

    Raises `KeeperUnavailable` or `NotConfirmed`.
    """
    exits = actor.exits
    actor.state.is_stopping = True
    await _signal(actor, signal.SIGKILL)
    if not await _ends(actor, exits, KILL_S):
        raise KeeperUnavailable(detail=f"pid {actor.row.pid} was not seen to end after SIGKILL")
    await _settles(actor)
    await _end_rest(actor)
    return "SIGKILL"


async def _end_rest(actor: Actor) -> None:
    """End what is left in the kernel's scope: it has not ended with the kernel."""
    await actor.parts.scopes.end([actor.row.launch.get("scope")])


async def _settles(actor: Actor) -> None:
    """Wait until a start that this has ended has given up: then the runtime is dead."""
    if not actor.state.is_restarting:
        await actor.until(lambda: actor.row.status == "dead")


async def _signal(actor: Actor, number: signal.Signals) -> None:
    who: dict[str, Any] = {}
    if actor.row.origin == "adopted":
        await _confirm(actor)
        who = {"pid": actor.row.pid, "start_time": actor.row.start_time}
    actor.state.signalled = int(number)
    try:
        await actor.ask(
            lambda: actor.messenger.request(Op.SIGNAL, signum=int(number), tree=True, **who)
        )
    except Refused as refusal:
        if refusal.code != Refusal.UNKNOWN_RUNTIME or actor.row.status != "starting":
            raise KeeperUnavailable(detail=str(refusal)) from refusal
        # It has no process yet; its start sees that it is not wanted any more.


async def _confirm(actor: Actor) -> None:
    """See that the process is the kernel: a stranger may listen where it did, by intent too.

    Only who has the connection file's key answers. A kernel with one thread, busy since before we
    joined, does not; that it has the file on its command line and says what ZeroMQ says first is
    taken for it. Raises `NotConfirmed`.
    """
    row = actor.row
    if row.pid is not None and not actor.is_confirmed and actor.state.is_connected:
        actor.messenger.try_kernel_info("control")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await actor.until(lambda: actor.is_confirmed or row.status == "dead")
    if row.status == "dead" or actor.is_confirmed or await _greets(row):
        return
    actor.state.is_stopping = False
    if row.pid is None:
        raise NotConfirmed(runtime=short(row.id), reason="which process it is, is not known")
    raise NotConfirmed(
        runtime=short(row.id),
        reason=f"process {row.pid} listens there, and has not answered as the kernel; "
        f"if you know that it is, `kill -9 {row.pid}` ends it",
    )


async def _greets(row: RuntimeRow) -> bool:
    file = await asyncio.to_thread(connection_files.read, row.connection_file)
    if file is None or file.address != connection_files.address_of(row.launch["connection"]):
        return False
    file = await asyncio.to_thread(identity.located, file)
    process = await asyncio.to_thread(identity.find_process, file)
    if not isinstance(process, identity.Process):
        return False
    is_same = (process.pid, process.start_time) == (row.pid, row.start_time)
    return is_same and await asyncio.to_thread(connection_files.greets, file)


async def _ends(actor: Actor, exits: int, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await actor.until(lambda: actor.exits != exits or actor.row.status == "dead")
    except TimeoutError:
        return False
    return True
