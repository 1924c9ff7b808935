"""What is looked at from time to time: silent kernels, idle ones, and the journals' size."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from runtimed.api.errors import KeeperUnavailable, StoreUnavailable
from runtimed.kernels import ending, launch
from runtimed.kernels.clock import now_ms, steady_s
from runtimed.kernels.link import Refused
from runtimed.kernels.usage import Meter
from runtimed.logs import about, handler
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.kernels.supervisor import Supervisor

log = logging.getLogger(__name__)


#: Said of an adopted kernel of which nothing was heard: the subscription may not be there yet.
UNCONFIRMED = "unconfirmed: it has not answered yet, so what it says may not reach us"


async def watch(supervisor: Supervisor) -> None:
    """Look at every living runtime once an interval, until cancelled."""
    meter = Meter()
    while True:
        await asyncio.sleep(supervisor.parts.config.probe_interval_s)
        async with asyncio.TaskGroup() as looks:
            for actor in list(supervisor.actors.values()):
                if actor.row.status in ("alive", "unresponsive"):
                    looks.create_task(look(actor), name=f"look {actor.row.id}")
        await measure(supervisor, meter)
        handler.tend()
        await supervisor.parts.scopes.sweep()


async def look(actor: Actor) -> None:
    """Stop the runtime if it has been idle for as long as it may; else see whether it lives."""
    state, config = actor.state, actor.parts.config
    try:
        if _is_idle_too_long(actor):
            idle_s = actor.row.idle_stop_s
            log.info("idle for %s s: it is stopped", idle_s, extra=about(actor.row.id))
            state.is_idle_stopped = True
            await ending.stop(actor, grace_s=5.0)
            return
        if steady_s() - state.heard_s > config.probe_interval_s:
            await probe(actor)
        elif actor.row.status == "unresponsive":
            _note(actor, "alive")  # it was heard, whatever its heartbeat does
        restore_connection_file(actor)
        if state.is_heard and UNCONFIRMED in actor.row.notices:
            actor.row.notices.remove(UNCONFIRMED)
            actor.save()
    except (KeeperUnavailable, StoreUnavailable, Refused) as error:
        log.info("not looked at: %s", error, extra=about(actor.row.id))


def _is_idle_too_long(actor: Actor) -> bool:
    state, limit_s = actor.state, actor.row.idle_stop_s
    if limit_s is None or state.foreign or state.idle_since_s is None:
        return False
    if state.executions and not (_is_agents(actor) and state.activity == "waiting_input"):
        return False
    return steady_s() - state.idle_since_s > limit_s


def _is_agents(actor: Actor) -> bool:
    """Whether an agent started it: a question that it left there would keep it for good."""
    return bool((actor.row.started_by or {}).get("agent"))


async def probe(actor: Actor) -> None:
    """Ask the heartbeat. Silence means unresponsive, unless the kernel is at work.

    Some kernels have one thread for everything: busy looks like hung there, so only the state of
    the process (stopped) or the silence of an idle kernel is held against it.
    """
    timeout_ms = int(actor.parts.config.probe_timeout_s * 1000)
    answer = await actor.messenger.request(Op.PROBE, timeout_ms=timeout_ms)
    if actor.row.status not in ("alive", "unresponsive"):
        return
    was_stopped, actor.state.is_stopped = actor.state.is_stopped, answer.get("state") == "T"
    heartbeat = answer.get("heartbeat")  # null: it was never heard, and may not be there yet
    if heartbeat:
        actor.state.hear(now_ms())
        _note(actor, "alive")
    elif actor.state.is_stopped or (heartbeat is False and actor.state.activity in (None, "idle")):
        _note(actor, "unresponsive")
    elif was_stopped:
        _note(actor, "alive")  # it goes on with its work, which is why it does not answer


def _note(actor: Actor, status: str) -> None:
    if actor.row.status != status:
        actor.row.status = status
        actor.save()
        actor.ring()


async def measure(supervisor: Supervisor, meter: Meter) -> None:
    """Note the memory and processor use of all kernels."""
    actors = {a.row.pid: a for a in supervisor.actors.values() if a.row.pid is not None}
    kernels = {pid: actor.row.start_time for pid, actor in actors.items()}
    measured = await asyncio.to_thread(meter.read, kernels)
    for pid, actor in actors.items():
        usage = measured.get(pid)
        actor.state.rss_bytes = None if usage is None else usage.rss_bytes
        actor.state.cpu_percent = None if usage is None else usage.cpu_percent


def restore_connection_file(actor: Actor) -> None:
    """Write the connection file again if somebody removed it: other clients find us by it."""
    info = actor.row.launch.get("connection")
    if info and actor.row.origin == "launched" and not os.path.exists(actor.row.connection_file):
        with contextlib.suppress(OSError):
            launch.write_connection_file(actor.row.connection_file, info)


async def checkpoint(supervisor: Supervisor) -> None:
    """Move what was written into the database, and drop the journals that it came from.

    A journal's closed segments go only when what was taken in from them has reached the disk.
    """
    store = supervisor.parts.recorder.store
    dropped: dict[str, int] = {}
    while True:
        await store.has_grown.wait()
        store.has_grown.clear()
        offsets = supervisor.journal_offsets()
        grown = {name: end for name, end in offsets.items() if dropped.get(name) != end}
        try:
            if await asyncio.to_thread(store.checkpoint):
                await asyncio.to_thread(supervisor.drop_journals, grown)
                dropped = offsets
        except (StoreUnavailable, OSError) as error:
            log.error("checkpoint: %s", error)
