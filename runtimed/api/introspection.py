"""Calls that ask a kernel about code: what a prompt needs. They run none of it, and leave no trace.

A kernel that computes answers in a subshell where it has them; else it is `KernelBusy`, after a
short wait. Positions count characters (Unicode code points), as Jupyter does since protocol 5.2
(https://jupyter-client.readthedocs.io/en/stable/messaging.html#introspection).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import KeeperUnavailable, KernelBusy, KernelUnresponsive, RuntimeDead
from runtimed.api.runtimes import _FIND_ERRORS, RuntimeRefStr
from runtimed.api.types import Document

_ERRORS = (*_FIND_ERRORS, RuntimeDead, KernelBusy, KernelUnresponsive, KeeperUnavailable)

_Position = Annotated[
    int, Meta(ge=0, le=1 << 53, description="In characters; null: at the code's end.")
]
_Code = Annotated[str, Meta(max_length=1 << 20)]
_Wait = Annotated[float, Meta(gt=0, le=60, description="Seconds for the kernel's answer.")]
#: A first completion may load a library for it: IPython's does.
_WAIT_S = 5.0


class Match(Document, omit_defaults=True):
    """A text that may stand there. ``type`` and ``signature`` are there where the kernel tells."""

    text: str
    type: str | None = None
    signature: str | None = None


class Completions(Document):
    """What may stand in place of ``code[start:end]``. ``total`` counts those not shown, too."""

    runtime: str
    matches: list[Match]
    start: int
    end: int
    total: int


class Inspection(Document):
    """What the kernel knows of what stands at the cursor: a MIME bundle, empty if not found."""

    runtime: str
    found: bool
    data: dict[str, Any]
    metadata: dict[str, Any]


class Completeness(Document):
    """Whether the code is whole. ``indent`` is how a next line begins where it is incomplete.

    ``unknown``: the kernel cannot tell, or did not.
    """

    runtime: str
    status: Literal["complete", "incomplete", "invalid", "unknown"]
    indent: str


@api(
    "runtime.complete",
    Effect.READ,
    errors=_ERRORS,
    rest=("POST /v0/runtimes/{runtime}/complete",),
)
class RuntimeComplete(Call[Completions], frozen=True, kw_only=True):
    """Ask the kernel what may stand at the cursor."""

    runtime: RuntimeRefStr
    code: _Code
    cursor: _Position | None = None
    wait_s: _Wait = _WAIT_S


@api(
    "runtime.inspect",
    Effect.READ,
    errors=_ERRORS,
    rest=("POST /v0/runtimes/{runtime}/inspect",),
)
class RuntimeInspect(Call[Inspection], frozen=True, kw_only=True):
    """Ask the kernel what stands at the cursor."""

    runtime: RuntimeRefStr
    code: _Code
    cursor: _Position | None = None
    detail: Annotated[
        Literal[0, 1], Meta(description="1: also what costs more, such as the source.")
    ] = 0
    wait_s: _Wait = _WAIT_S


@api(
    "runtime.is_complete",
    Effect.READ,
    errors=_ERRORS,
    rest=("POST /v0/runtimes/{runtime}/is_complete",),
)
class RuntimeIsComplete(Call[Completeness], frozen=True, kw_only=True):
    """Ask the kernel whether the code is whole, or a prompt should let it go on."""

    runtime: RuntimeRefStr
    code: _Code
    wait_s: _Wait = _WAIT_S
