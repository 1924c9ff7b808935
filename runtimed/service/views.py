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
    return _where_it_is(context, execution_document(row, _runtime_of(context, row)), row)


async def whole_execution_view(context: Context, row: ExecutionRow) -> Execution:
    """Return the execution's document with its outputs folded."""
    operations = context.store.read(events.few_operations, row.id)
    if operations is not None:
        document = execution_document(row, _runtime_of(context, row), fold(operations))
        return _where_it_is(context, document, row)
    # Megabytes must not hold the loop. It may end meanwhile: no more is said of it than is shown.
    row = copy.copy(row)
    outputs = await asyncio.to_thread(
        context.store.read_apart, lambda db: fold(events.operations(db, row.id))
    )
    return execution_document(row, _runtime_of(context, row), outputs)


def _where_it_is(context: Context, document: Execution, row: ExecutionRow) -> Execution:
    """Say of one that is queued if that is so because the kernel is silent, not because it waits.

    No event does: usually the kernel says that it began before anybody has looked.
    """
    actor = context.supervisor.actors.get(row.runtime_id)
    if actor is not None and actor.state.is_at_kernel(row):
        document.reason = "it is at the kernel, which has not said that it began"
    return document


def _runtime_of(context: Context, row: ExecutionRow) -> RuntimeRow:
    runtime = context.supervisor.rows.get(row.runtime_id)
    runtime = runtime or context.store.read(runtimes.get, row.runtime_id)
    assert runtime is not None  # noqa: S101 - a foreign key
    return runtime
