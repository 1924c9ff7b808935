"""Handlers of the calls that take dead runtimes off the lists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import RuntimeAlive
from runtimed.api.runtimes import RuntimePrune, RuntimeRemove
from runtimed.api.types import Nothing, Pruned
from runtimed.kernels import connection_files, identity
from runtimed.kernels.reasons import describe_exit
from runtimed.model.ids import short
from runtimed.service.binding import serves
from runtimed.service.references import find_runtime

if TYPE_CHECKING:
    from runtimed.kernels.connection_files import ConnectionFile
    from runtimed.service.context import Context
    from runtimed.store.runtimes import RuntimeRow


@serves(RuntimeRemove)
async def runtime_remove(context: Context, call: RuntimeRemove) -> Nothing:
    row = find_runtime(context, call.runtime, exact=True, destroys=True)
    file = await _file(row)
    if not await _is_dead(context, row, file):
        raise RuntimeAlive(
            runtime=short(row.id), verb="stop" if row.origin == "launched" else "stop --force"
        )
    await context.supervisor.remove(row, with_file=_goes(row, file))
    return Nothing()


@serves(RuntimePrune)
async def runtime_prune(context: Context, call: RuntimePrune) -> list[Pruned]:
    found = []
    for row in list(context.supervisor.rows.values()):
        file = await _file(row)
        if row.status != "dead" or not await _is_dead(context, row, file):
            continue
        found.append(
            Pruned(
                runtime=row.id,
                name=row.name,
                connection_file=row.connection_file,
                reason=describe_exit(row.exit or {}),
            )
        )
        if not call.dry_run:
            await context.supervisor.remove(row, with_file=_goes(row, file))
    return found


async def _file(row: RuntimeRow) -> ConnectionFile | None:
    """Return the runtime's connection file, None if it is gone or another kernel's by now."""
    file = await asyncio.to_thread(connection_files.read, row.connection_file)
    known = row.launch.get("connection")
    if file is None or known is None or file.address != connection_files.address_of(known):
        return None
    return file


def _goes(row: RuntimeRow, file: ConnectionFile | None) -> bool:
    return row.origin == "launched" or file is not None


async def _is_dead(context: Context, row: RuntimeRow, file: ConnectionFile | None) -> bool:
    """Say whether it is proven that nobody is there, where a file says where that would be."""
    if row.origin == "launched" or file is None or row.status not in ("dead", "unresponsive"):
        return row.status == "dead"
    if await _is_somebody_there(file):
        return False
    context.adopter.end_unwatched(row)
    return row.status == "dead"


async def _is_somebody_there(file: ConnectionFile) -> bool:
    """Say whether the kernel may live: it is being started again, listens, or has our file's name.

    Who listens at its address may be a stranger; then it is gone.
    """
    file = await asyncio.to_thread(identity.located, file)
    if await asyncio.to_thread(identity.is_named, file):
        return True
    if await asyncio.to_thread(identity.may_listen, file):
        return True
    for _ in range(2):
        if await connection_files.listens(file) is not False:
            process = await asyncio.to_thread(identity.find_process, file)
            return not isinstance(process, identity.Stranger)
    return False
