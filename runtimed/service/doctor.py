"""Handlers of the calls on the daemon's health."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from runtimed import __version__
from runtimed.api.doctor import (
    DaemonDoctor,
    DaemonForgetTransports,
    DoctorReport,
    KeeperReport,
    TcpKernel,
)
from runtimed.api.errors import KeeperUnavailable
from runtimed.model.times import rfc3339
from runtimed.service.binding import serves
from runtimed.store import health

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.service.context import Context

#: How long a keeper that starts, or takes over, is waited for.
_KEEPER_S = 5.0


@serves(DaemonDoctor)
async def daemon_doctor(context: Context, call: DaemonDoctor) -> DoctorReport:
    store, supervisor = context.store, context.supervisor
    # Before the lists: a journal begins after its runtime is entered.
    journals = await asyncio.to_thread(_journals, context.state.journals)
    complaints, is_checked = await asyncio.to_thread(
        store.read_apart, health.quick_check, call.check_s
    )
    return DoctorReport(
        version=__version__,
        pid=os.getpid(),
        keeper=await _keeper(context),
        home=os.environ.get("HOME"),
        path=[place for place in os.environ.get("PATH", "").split(os.pathsep) if place],
        database=complaints,
        database_is_checked=is_checked,
        newest_event_at=rfc3339(store.read(health.newest_event_ms)),
        transports=_documents(store.read(health.tcp_kernels)),
        strange_journals=[
            context.state.journal(id)
            for id in store.read(health.unlisted, [i for i in journals if i not in supervisor.rows])
        ],
    )


@serves(DaemonForgetTransports)
async def daemon_forget_transports(
    context: Context, call: DaemonForgetTransports
) -> list[TcpKernel]:
    return _documents(context.store.write(health.forget_tcp_kernels))


async def _keeper(context: Context) -> KeeperReport | None:
    supervisor = context.supervisor
    try:
        async with asyncio.timeout(_KEEPER_S):
            await supervisor.keeper()
    except (TimeoutError, KeeperUnavailable):
        return None
    if supervisor.keeper_pid is None:
        return None
    return KeeperReport(pid=supervisor.keeper_pid, version=supervisor.keeper_version)


def _documents(found: Iterable[tuple[str, int]]) -> list[TcpKernel]:
    return [TcpKernel(path=path, noted_at=rfc3339(at_ms) or "") for path, at_ms in found]


def _journals(directory: str) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
