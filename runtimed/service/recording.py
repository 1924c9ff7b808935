"""Handlers of the calls on what is kept of the executions of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.daemon import DaemonAnnounce
from runtimed.api.errors import InvalidParams, KeeperUnavailable
from runtimed.api.runtimes import RuntimeRecord
from runtimed.kernels.clock import now_ms
from runtimed.kernels.link import Refused
from runtimed.kernels.recording import nearest
from runtimed.recorder import Batch
from runtimed.service.binding import serves
from runtimed.service.references import find_runtime
from runtimed.service.views import runtime_view
from runtimed.store import runtimes
from runtimed.store.db import set_meta

if TYPE_CHECKING:
    from runtimed.api.types import Runtime
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


@serves(DaemonAnnounce)
async def daemon_announce(context: Context, call: DaemonAnnounce) -> list[str]:
    recorded = any(
        row.origin == "adopted" and row.record != "off" for row in context.supervisor.rows.values()
    )
    if not recorded or context.store.meta(_SAID) is not None:
        return []
    context.store.write(set_meta, _SAID, "yes")
    return [_RECORDING]
