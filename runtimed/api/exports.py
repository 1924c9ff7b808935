"""Calls that give the record of a session away, as a file that other programs read."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import NotANotebook
from runtimed.api.history import _LOOK_UP_ERRORS, Foreign, Moment
from runtimed.api.notebooks import Exported
from runtimed.api.runtimes import RuntimeRefStr
from runtimed.api.types import ExecutionStatus

_Runtime = RuntimeRefStr
_Statuses = Annotated[list[ExecutionStatus], Meta(description="Only in these.")]


@api(
    "runtime.export",
    Effect.READ,
    errors=(*_LOOK_UP_ERRORS, NotANotebook),
    rest=("GET /v0/runtimes/{runtime}/export",),
)
class RuntimeExport(Call[Exported], frozen=True, kw_only=True):
    """Return what ran in a runtime as a notebook: a code cell for each execution, as they began.

    The runtime may be dead, removed from the lists, or somebody else's. ``format``: ipynb (nbformat
    4.5, with outputs and timings; what is missing is said in a cell's metadata, under
    ``runtimed``), py (a script with ``# %%`` cells, in the kernel's language), md (code and output
    in fences, images inline).
    """

    runtime: _Runtime
    format: Literal["ipynb", "py", "md"] = "ipynb"
    status: _Statuses | None = None
    foreign: Foreign | None = None
    since: Annotated[Moment, Meta(description="Only submitted then or later.")] | None = None
    until: Annotated[Moment, Meta(description="Only submitted before.")] | None = None
