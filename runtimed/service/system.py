"""Handlers of the calls on events, blobs and the daemon itself."""

from __future__ import annotations

import asyncio
import base64
import os
from typing import TYPE_CHECKING

from runtimed import __version__
from runtimed.api.daemon import DaemonHello, DaemonStatus, DaemonStatusGet, DaemonStop, Hello
from runtimed.api.errors import BlobNotFound, InvalidParams, StoreUnavailable
from runtimed.api.events import EventsSubscribe, EventsUnsubscribe
from runtimed.api.executions import BlobGet
from runtimed.api.types import Blob, Nothing, Subscription
from runtimed.model.ids import is_ulid
from runtimed.model.times import rfc3339
from runtimed.service.binding import Caller, serves
from runtimed.service.hello import greet
from runtimed.service.notebook_references import notebook_name
from runtimed.service.references import check_id, find_execution, find_runtime
from runtimed.service.retention import retention_said
from runtimed.store import blobs, executions, history

if TYPE_CHECKING:
    from runtimed.service.context import Context


@serves(EventsSubscribe)
async def events_subscribe(context: Context, call: EventsSubscribe, caller: Caller) -> Subscription:
    runtime_id = None if call.runtime is None else find_runtime(context, call.runtime).id
    execution_id = None if call.execution is None else call.execution.upper()
    if execution_id is not None and not is_ulid(execution_id):
        # A short id is no name for what does not exist yet; a whole one may be.
        check_id(execution_id, "execution")
        execution_id = find_execution(context, execution_id.lower()).id
    stream = context.hub.subscribe(
        call.since,
        runtime_id=runtime_id,
        execution_id=execution_id,
        notebook_id=None if call.notebook is None else notebook_name(context, call.notebook),
        types=call.types,
    )
    caller.connection.follow(stream)
    return Subscription(subscription=stream.id, cursor=stream.cursor)


@serves(EventsUnsubscribe)
async def events_unsubscribe(context: Context, call: EventsUnsubscribe, caller: Caller) -> Nothing:
    if not caller.connection.unfollow(call.subscription):
        raise InvalidParams(detail=f"this connection has no subscription {call.subscription}")
    return Nothing()


@serves(BlobGet)
async def blob_get(context: Context, call: BlobGet) -> Blob:
    is_among = call.runtimes is None or context.store.read(
        blobs.is_used_in, call.sha256, {id.upper() for id in call.runtimes}
    )
    data = await asyncio.to_thread(context.blobs.get, call.sha256) if is_among else None
    if data is None:
        raise BlobNotFound(sha256=call.sha256)
    encoded = await asyncio.to_thread(base64.b64encode, data)
    return Blob(sha256=call.sha256, size_bytes=len(data), data=encoded.decode())


@serves(DaemonHello)
async def daemon_hello(context: Context, call: DaemonHello, caller: Caller) -> Hello:
    return greet(call, caller, context.state.dir)


@serves(DaemonStatusGet)
async def daemon_status(context: Context, call: DaemonStatusGet) -> DaemonStatus:
    supervisor, store = context.supervisor, context.store
    kept = await context.retention.kept()
    statuses: dict[str, int] = {}
    for row in supervisor.rows.values():
        statuses[row.status] = statuses.get(row.status, 0) + 1
    return DaemonStatus(
        version=__version__,
        pid=os.getpid(),
        started_at=rfc3339(context.started_ms) or "",
        socket=context.socket_path,
        state_dir=context.state.dir,
        keeper_pid=supervisor.keeper_pid if supervisor.link is not None else None,
        keeper_version=supervisor.keeper_version if supervisor.link is not None else None,
        runtimes=statuses,
        executions=store.read(executions.counts),
        database_bytes=_size(store.path) + store.wal_bytes,
        blobs_bytes=store.read(blobs.total_bytes),
        journal_bytes=await asyncio.to_thread(_tree_bytes, context.state.journals),
        used_bytes=kept.used_bytes,
        limit_bytes=kept.limit_bytes,
        retention=retention_said(kept),
        unindexed=await _unindexed(context),
        rss_bytes=_own_rss_bytes(),
        cursor=context.hub.cursor,
        store=store.problem or "ok",
        search=context.index.problem or "ok",
    )


async def _unindexed(context: Context) -> int:
    try:
        return await context.index.behind()
    except StoreUnavailable:
        return context.store.read(history.newest)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _tree_bytes(directory: str) -> int:
    return sum(
        _size(os.path.join(folder, name))
        for folder, _, names in os.walk(directory)
        for name in names
    )


def _own_rss_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


@serves(DaemonStop)
async def daemon_stop(context: Context, call: DaemonStop) -> Nothing:
    context.request_stop(call.kernels)
    return Nothing()
