"""Calls on the cells of notebooks; their document is `CodeCell`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import (
    AmbiguousReference,
    CellNotFound,
    ExecutionConflict,
    InvalidParams,
    RuntimeDead,
    StaleEdit,
    StoreUnavailable,
)
from runtimed.api.notebooks import (
    _FIND,
    CellKind,
    CodeCell,
    IfMatch,
    NotebookRefStr,
    RunParameters,
)
from runtimed.api.runtimes import _FIND_ERRORS, _START_ERRORS
from runtimed.api.types import Execution, Nothing

CellRefStr = Annotated[
    str, Meta(min_length=1, description="A cell's id, or the last 8 characters of it.")
]
Index = Annotated[
    int, Meta(ge=0, description="Its place, from 0; past the end: the last; null: the last.")
]


_FIND_CELL = (CellNotFound, AmbiguousReference)


@api("cell.list", Effect.READ, errors=_FIND, rest=("GET /v0/notebooks/{notebook}/cells",))
class CellList(Call[list[CodeCell]], frozen=True, kw_only=True):
    """List the cells of a notebook, in its order."""

    notebook: NotebookRefStr
    outputs: Annotated[bool, Meta(description="Their outputs, too.")] = False


@api("cell.get", Effect.READ, errors=_FIND_CELL, rest=("GET /v0/cells/{cell}",))
class CellGet(Call[CodeCell], frozen=True, kw_only=True):
    """Return a cell with its outputs."""

    cell: CellRefStr
    outputs: bool = True


@api(
    "cell.insert",
    Effect.WRITE,
    errors=(*_FIND, CellNotFound, InvalidParams, StaleEdit, StoreUnavailable),
    rest=("POST /v0/notebooks/{notebook}/cells -> /v0/cells/{id}",),
)
class CellInsert(Call[CodeCell], frozen=True, kw_only=True):
    """Put a new cell into a notebook: after another cell, at a place, or at the end.

    ``if_match`` is the notebook's etag.
    """

    notebook: NotebookRefStr
    src: str = ""
    kind: CellKind = "code"
    metadata: dict[str, Any] = {}
    after: Annotated[str | None, Meta(description="The id of the cell that it follows.")] = None
    index: Index | None = None
    if_match: IfMatch | None = None


@api(
    "cell.edit",
    Effect.WRITE,
    errors=(*_FIND_CELL, InvalidParams, StaleEdit, StoreUnavailable),
    rest=("PATCH /v0/cells/{cell}",),
)
class CellEdit(Call[CodeCell], frozen=True, kw_only=True):
    """Replace what is given of a cell; the rest of it stays.

    What was queued of it before runs as it was: then the answer's ``queued`` and ``notice`` say
    so.
    """

    cell: CellRefStr
    src: str | None = None
    kind: CellKind | None = None
    metadata: dict[str, Any] | None = None
    attachments: dict[str, Any] | None = None
    if_match: IfMatch | None = None


@api(
    "cell.move",
    Effect.WRITE,
    errors=(*_FIND_CELL, InvalidParams, StaleEdit, StoreUnavailable),
    rest=("POST /v0/cells/{cell}/move",),
)
class CellMove(Call[CodeCell], frozen=True, kw_only=True):
    """Move a cell within its notebook: after another cell, or to a place, or to the end.

    The place is one among the other cells. ``if_match`` is the notebook's etag.
    """

    cell: CellRefStr
    after: Annotated[str | None, Meta(description="The id of the cell that it follows.")] = None
    index: Index | None = None
    if_match: IfMatch | None = None


@api(
    "cell.delete",
    Effect.DESTROY,
    errors=(*_FIND_CELL, StaleEdit, StoreUnavailable),
    rest=("DELETE /v0/cells/{cell}",),
)
class CellDelete(Call[Nothing], frozen=True, kw_only=True):
    """Delete a cell. Its executions stay in the history; what is queued of it runs."""

    cell: CellRefStr
    if_match: IfMatch | None = None


@api(
    "cell.run",
    Effect.WRITE,
    errors=(
        CellNotFound,
        *_FIND_ERRORS,
        *_START_ERRORS,
        RuntimeDead,
        ExecutionConflict,
        InvalidParams,
        StaleEdit,
    ),
    rest=("POST /v0/cells/{cell}/run -> /v0/executions/{id}",),
)
class CellRun(RunParameters[Execution], frozen=True, kw_only=True):
    """Queue a code cell as it is now, and return the execution at once; it can be waited for."""

    cell: CellRefStr
    id: Annotated[
        str | None,
        Meta(description="A ULID of the caller's. Run again under it, it is the same execution."),
    ] = None
    if_match: IfMatch | None = None
