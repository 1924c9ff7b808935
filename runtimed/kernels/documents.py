"""From rows to the documents of the API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.types import (
    CellRef,
    Execution,
    Exit,
    Gap,
    Input,
    Output,
    OutputsRemoved,
    Owner,
    RequestedBy,
    Runtime,
    RuntimeRef,
)
from runtimed.kernels.limits import limits_of
from runtimed.model.ids import short
from runtimed.model.times import rfc3339

if TYPE_CHECKING:
    from runtimed.kernels.state import RuntimeState
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

#: Text of one stream output that a document carries; ``execution.output`` pages through the rest.
STREAM_CHARS = 256 * 1024


def runtime_document(row: RuntimeRow, state: RuntimeState | None = None) -> Runtime:
    """Return the runtime's document; ``state`` is there while it lives."""
    return Runtime(
        id=row.id,
        short_id=short(row.id),
        name=row.name,
        kernel_name=row.kernel_name,
        language=row.language,
        status=row.status,  # type: ignore[arg-type]
        activity=state.activity if state else None,  # type: ignore[arg-type]
        last_keepalive=rfc3339(state.last_keepalive_ms if state else row.ended_ms),
        origin=row.origin,  # type: ignore[arg-type]
        owner=Owner(**row.owner) if row.owner else None,
        record=row.record,  # type: ignore[arg-type]
        incarnation=row.incarnation,
        pid=row.pid,
        ip=row.ip,
        transport=row.transport,
        private=row.private,
        connection_file=row.connection_file,
        environment=row.environment,
        project=row.project,
        implicit=row.implicit,
        cwd=row.cwd,
        created_at=rfc3339(row.created_ms) or "",
        ended_at=rfc3339(row.ended_ms),
        exit=Exit(**row.exit) if row.exit else None,
        rss_bytes=state.rss_bytes if state else None,
        cpu_percent=state.cpu_percent if state else None,
        queue_length=state.queue_length if state else 0,
        idle_stop_s=row.idle_stop_s,
        limits=limits_of(row.launch),
        scope=row.launch.get("scope") if row.status != "dead" else None,
        notices=row.notices,
        started_by=RequestedBy(**row.started_by) if row.started_by else None,
        shared=row.shared,
        dependencies=_dependencies(row.launch),
    )


def _dependencies(launch: dict[str, Any]) -> list[str] | None:
    """Return the packages that it was asked to have; what makes it a kernel is not one."""
    recipe = launch.get("recipe")
    return [each for each in recipe["requirements"] if each != "ipykernel"] if recipe else None


def execution_document(
    row: ExecutionRow, runtime: RuntimeRow, outputs: list[dict[str, Any]] | None = None
) -> Execution:
    """Return the execution's document; ``outputs`` are folded already."""
    cell = None
    if row.cell_notebook is not None and row.cell_id is not None:
        cell = CellRef(notebook=row.cell_notebook, id=row.cell_id)
    return Execution(
        id=row.id,
        runtime=runtime_ref(runtime),
        incarnation=row.incarnation,
        code=row.code,
        status=row.status,  # type: ignore[arg-type]
        queued_at=rfc3339(row.queued_ms) or "",
        execution_started=rfc3339(row.started_ms),
        execution_end=rfc3339(row.ended_ms),
        execution_count=row.execution_count,
        requested_by=RequestedBy(**row.requested_by),
        cell=cell,
        group=row.group,
        input=Input(**row.input) if row.input else None,
        gap=gap_document(row),
        reason=row.reason,
        outputs=None if outputs is None else [output_document(output) for output in outputs],
        pinned_at=rfc3339(row.pinned_ms),
        outputs_removed=outputs_removed(row),
        detached=is_detached(row),
    )


def outputs_removed(row: ExecutionRow) -> OutputsRemoved | None:
    """Return the tombstone of an execution's outputs, if they were removed."""
    if (removed := row.outputs_removed) is None:
        return None
    at = rfc3339(removed["at_ms"]) or ""
    return OutputsRemoved(at=at, reason=removed["reason"], size_bytes=removed["size_bytes"])


def gap_document(row: ExecutionRow) -> Gap | None:
    """Return what did not reach us of the execution."""
    return None if row.gap is None else msgspec.convert(row.gap, Gap)


def output_document(output: dict[str, Any]) -> Output:
    """Return a folded output as it is on the wire; a very long stream is cut, and says so."""
    text = output.get("text")
    if text is not None and len(text) > STREAM_CHARS:
        output["truncated_chars"] = len(text) - STREAM_CHARS
        output["text"] = text[:STREAM_CHARS]
    return Output(**output)


def execution_changes(row: ExecutionRow) -> dict[str, Any]:
    """Return the fields of an execution that may change, as its events carry them."""
    return {
        "status": row.status,
        "incarnation": row.incarnation,
        "execution_started": rfc3339(row.started_ms),
        "execution_end": rfc3339(row.ended_ms),
        "execution_count": row.execution_count,
        "input": row.input,
        "gap": row.gap,
        "reason": row.reason,
        "detached": is_detached(row),
    }


def is_detached(row: ExecutionRow) -> bool:
    """Say whether it is not to be waited for, as it exceeds its runtime's limits and goes on."""
    return row.exceeded is not None and bool(row.exceeded.get("left_running"))


def runtime_ref(row: RuntimeRow) -> RuntimeRef:
    """Return the runtime as it is nested in other documents."""
    path = (row.owner or {}).get("path")
    notebook = os.path.basename(path) or None if path else None
    return RuntimeRef(id=row.id, name=row.name, kernel_name=row.kernel_name, notebook=notebook)
