"""What a text does not have of the document that it is of, and where that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.types import BlobRef, OutputPage
from runtimed.model.text import output_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtimed.api.types import Execution, Gap, Output, OutputsRemoved


def of_execution(execution: Execution) -> list[str]:
    """Return a line for each thing that its text does not have."""
    lost = _lost(execution.gap, execution.outputs_removed)
    return [*of_outputs(execution.outputs or [], execution.id), *lost]


def of_page(page: OutputPage) -> list[str]:
    """Return a line for each thing that the page does not have."""
    found = list(_lost(page.gap, page.outputs_removed))
    if page.more:
        further = f"GET /v0/executions/{page.execution}/output?cursor={page.cursor}"
        found.insert(0, f"there are {page.total_lines} lines; {further} goes on")
    return found


def of_outputs(outputs: Sequence[Output], execution_id: str | None) -> list[str]:
    """Return a line for each output that is not shown as a whole."""
    return [line for output in outputs if (line := _of_output(output, execution_id))]


def _of_output(output: Output, execution_id: str | None) -> str | None:
    if output.truncated_chars:
        said = f"{output.truncated_chars} more characters of {output.name}"
        if execution_id is None:
            return said
        return f"{said}; GET /v0/executions/{execution_id}/output has all lines"
    if not output.data:
        return None
    shown = output_text(msgspec.to_builtins(output))
    for mime, value in output.data.items():
        # Shown by its name alone, because it is no text here.
        if f"<{mime}>" in shown.split() and (blob := _blob(value)) is not None:
            return f"{mime} of {blob.size_bytes} bytes; GET /v0/blobs/{blob.blob} has it"
    return None


def _blob(value: Any) -> BlobRef | None:
    try:
        return msgspec.convert(value, BlobRef)
    except msgspec.ValidationError:
        return None


def _lost(gap: Gap | None, removed: OutputsRemoved | None) -> Iterator[str]:
    if gap is not None:
        count = "" if gap.count is None else f", {gap.count} messages"
        yield f"some of the output never arrived: {gap.reason}{count}"
    if removed is not None:
        what = f"outputs of {removed.size_bytes} bytes"
        yield f"{what} were removed at {removed.at}: {removed.reason}"
