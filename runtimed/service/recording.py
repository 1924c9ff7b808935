"""Handlers of the calls on what is kept of the executions of others."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from runtimed.api.daemon import DaemonAnnounce
from runtimed.api.errors import InvalidParams, KeeperUnavailable
from runtimed.api.runtimes import RuntimeForget, RuntimeRecord
from runtimed.api.types import Forgotten, Runtime
from runtimed.kernels.clock import now_ms
from runtimed.kernels.journal import JournalReader
from runtimed.kernels.link import Refused
from runtimed.kernels.recording import nearest
from runtimed.recorder import Batch
from runtimed.service.binding import serves
from runtimed.service.moments import milliseconds
from runtimed.service.references import find_recorded, find_runtime
from runtimed.service.views import runtime_view
from runtimed.store import forgetting, runtimes
from runtimed.store.db import set_meta
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context
    from runtimed.store.runtimes import RuntimeRow

_SAID = "said.recording"
_RECORDING = (
    "what runs in kernels that others started is recorded; `runt help recording` tells how to say "
    "what is kept, `runt record off` ends it for all of them"
)


@serves(RuntimeRecord)
async def runtime_record(context: Context, call: RuntimeRecord) -> list[Runtime]:
    if (call.runtime is None) == (call.directory is None):
        raise InvalidParams(detail="it must name a runtime or a directory, and not both")
    if call.runtime is not None:
        rows = [find_runtime(context, call.runtime)]
    else:
        directory = (call.directory or "").rstrip("/") or "/"
        if not directory.startswith("/"):
            raise InvalidParams(detail="the directory must be absolute - at `$.directory`")
        context.store.write(runtimes.set_record_rule, directory, call.record)
        rules = context.store.read(runtimes.record_rules)
        rows = [
            row
            for row in context.supervisor.rows.values()
            if row.origin == "adopted" and nearest(row.cwd, rules) == directory
        ]
    for row in rows:
        await _apply(context, row, call.record)
    return [runtime_view(context, row) for row in rows]


async def _apply(context: Context, row: RuntimeRow, record: str) -> None:
    """Have it kept from now on: by the keeper first, so that nothing more is written."""
    before, row.record = row.record, record
    actor = context.supervisor.actors.get(row.id)
    try:
        if actor is not None and row.status != "dead":
            await context.supervisor.keeper()
            await actor.apply_record()
        batch = Batch(now_ms())
        batch.runtimes[row.id] = row
        batch.event("runtime", row.id, None, runtime_view(context, row))
        context.supervisor.parts.recorder.commit(batch)
    except Refused as refusal:
        row.record = before
        raise KeeperUnavailable(detail=str(refusal)) from refusal
    except BaseException:
        row.record = before
        raise


@serves(RuntimeForget)
async def runtime_forget(context: Context, call: RuntimeForget) -> Forgotten:
    row = find_recorded(context, call.runtime, exact=True)
    since_ms = 0 if call.since is None else milliseconds(call.since, "since")
    actor = context.supervisor.actors.get(row.id)
    store = context.store
    begun = now_ms()
    found = await asyncio.to_thread(store.read_apart, forgetting.forgettable, row.id, since_ms)
    async with context.index.forgetting(found):
        store.write(_forget, found)
    batch = Batch(begun)
    batch.event("runtime", row.id, None, {"forgotten": len(found.ids)})
    context.supervisor.parts.recorder.commit(batch)
    for sha256 in found.blobs:
        context.blobs.remove(sha256)
    await _forget_journal(context, row, actor)
    return Forgotten(executions=len(found.ids), blobs=len(found.blobs))


_forget = forgetting.forget


async def _forget_journal(context: Context, row: RuntimeRow, actor: Actor | None) -> None:
    """Remove the segments of the journal that have been taken in, once that is on the disk."""
    if actor is not None:
        with contextlib.suppress(KeeperUnavailable, Refused):
            await context.supervisor.keeper()
            await actor.messenger.request(Op.ROTATE)
            await actor.reading.caught_up()
    offset = row.journal_offset
    await asyncio.to_thread(context.store.truncate_log)
    reader = JournalReader(context.state.journal(row.id), 0)
    await asyncio.to_thread(reader.unlink_before, offset)


@serves(DaemonAnnounce)
async def daemon_announce(context: Context, call: DaemonAnnounce) -> list[str]:
    recorded = any(
        row.origin == "adopted" and row.record != "off" for row in context.supervisor.rows.values()
    )
    if not recorded or context.store.meta(_SAID) is not None:
        return []
    context.store.write(set_meta, _SAID, "yes")
    return [_RECORDING]
