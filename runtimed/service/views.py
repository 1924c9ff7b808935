"""Documents of what the store and the actors hold."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

from runtimed.kernels.documents import execution_document, runtime_document
from runtimed.model.outputs import fold
from runtimed.store import events, runtimes

if TYPE_CHECKING:
    from runtimed.api.types import Execution, Runtime
    from runtimed.service.context import Context
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow


def runtime_view(context: Context, row: RuntimeRow) -> Runtime:
    """Return the runtime's document."""
    actor = context.supervisor.actors.get(row.id)
    return runtime_document(row, actor.state if actor is not None else None)


def execution_view(context: Context, row: ExecutionRow) -> Execution:
    """Return the execution's document without its outputs."""
    return execution_document(row, _runtime_of(context, row))


async def whole_execution_view(context: Context, row: ExecutionRow) -> Execution:
    """Return the execution's document with its outputs folded."""
    operations = context.store.read(events.few_operations, row.id)
    if operations is not None:
        return execution_document(row, _runtime_of(context, row), fold(operations))
    # Megabytes must not hold the loop. It may end meanwhile: no more is said of it than is shown.
    row = copy.copy(row)
    outputs = await asyncio.to_thread(
        context.store.read_apart, lambda db: fold(events.operations(db, row.id))
    )
    return execution_document(row, _runtime_of(context, row), outputs)


def _runtime_of(context: Context, row: ExecutionRow) -> RuntimeRow:
    runtime = context.supervisor.rows.get(row.runtime_id)
    runtime = runtime or context.store.read(runtimes.get, row.runtime_id)
    assert runtime is not None  # noqa: S101 - a foreign key
    return runtime
