"""Handler of ``runtime.export``: the record of a session as a notebook."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import NotANotebook
from runtimed.api.exports import RuntimeExport
from runtimed.api.notebooks import Exported
from runtimed.documents import formats
from runtimed.kernels.documents import execution_document
from runtimed.model import ipynb, nbschema
from runtimed.model.markdown import as_markdown
from runtimed.model.outputs import fold
from runtimed.service.binding import serves
from runtimed.service.moments import milliseconds
from runtimed.service.references import find_recorded
from runtimed.store import events, executions
from runtimed.store.selection import Selection

if TYPE_CHECKING:
    from runtimed.service.context import Context
    from runtimed.store.blobs import Blobs
    from runtimed.store.db import Connection
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

_EVERY = 2**62
#: So many rows are read at a time.
_PAGE = 500
#: What a file is not to be called by, though a runtime may.
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\]+")


@serves(RuntimeExport)
async def runtime_export(context: Context, call: RuntimeExport) -> Exported:
    runtime = find_recorded(context, call.runtime)
    selection = Selection(
        runtime_id=runtime.id,
        statuses=call.status,
        foreign=call.foreign,
        since_ms=None if call.since is None else milliseconds(call.since, "since"),
        until_ms=None if call.until is None else milliseconds(call.until, "until"),
    )

    def export() -> Exported:
        content = context.store.read_apart(session, runtime, selection, context.blobs)
        return as_file(content, runtime.name, call.format)

    # In a thread: a session may be thousands of executions, and megabytes of images.
    return await asyncio.to_thread(export)


def session(
    db: Connection, runtime: RuntimeRow, selection: Selection, blobs: Blobs
) -> dict[str, Any]:
    """Return the notebook of the selected executions, in the order in which they began."""
    with db:  # one view of all that follows
        rows = _rows(db, selection)
        cells = [_cell(db, row, runtime, blobs) for row in rows]
    told = [cell for cell in cells if cell["source"].strip() or cell["outputs"]]
    about: dict[str, Any] = {"runtime": runtime.id, "name": runtime.name}
    if len(told) < len(cells):
        about["without_content"] = len(cells) - len(told)  # see `record`
    metadata = ipynb.kernel_metadata(runtime.kernel_name or "kernel", runtime.language)
    return ipynb.notebook(told, metadata | {"runtimed": about})


def _rows(db: Connection, selection: Selection) -> list[ExecutionRow]:
    numbers = selection.numbers(db, _EVERY)[::-1]
    rows: list[ExecutionRow] = []
    for start in range(0, len(numbers), _PAGE):
        rows += reversed(executions.numbered(db, numbers[start : start + _PAGE]))
    # What was queued may have waited while others ran; what never began stands where it was asked.
    rows.sort(key=lambda row: row.queued_ms if row.started_ms is None else row.started_ms)
    return rows


def _cell(db: Connection, row: ExecutionRow, runtime: RuntimeRow, blobs: Blobs) -> dict[str, Any]:
    document = msgspec.to_builtins(execution_document(row, runtime))
    # Not the document's own outputs: in those, long text is cut.
    outputs = fold(events.operations(db, row.id))
    return ipynb.executed_cell(document, outputs, blobs.get)


def as_file(content: dict[str, Any], name: str, form: str) -> Exported:
    """Return a notebook as the text of a file; for a thread. Raises `NotANotebook`."""
    name = _NOT_IN_NAMES.sub("-", name)
    if (fault := nbschema.content_fault(content)) is not None:
        raise NotANotebook(path=name, detail=fault)
    if form == "md":
        return Exported(format=form, name=f"{name}.md", text=as_markdown(content))
    extension = formats.IPYNB if form == "ipynb" else formats.script_extension(content)
    name += extension
    return Exported(format=form, name=name, text=formats.dump(content, name))
