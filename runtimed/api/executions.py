"""Calls on executions."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.environments import Dependencies  # noqa: TC001 - read by msgspec
from runtimed.api.errors import (
    AmbiguousReference,
    BlobNotFound,
    CannotInterrupt,
    Denied,
    ExecutionConflict,
    ExecutionNotFound,
    InvalidParams,
    KeeperUnavailable,
    NotWaitingForInput,
    RuntimeDead,
    StaleInput,
    StoreUnavailable,
)
from runtimed.api.runtimes import (
    _FIND_ERRORS,
    _START_ERRORS,
    By,
    InterruptForce,
    InterruptSeconds,
    RuntimeName,
)
from runtimed.api.types import (
    Blob,
    CellRef,
    Execution,
    ExecutionStatus,
    Interrupted,
    Nothing,
    OutputPage,
)

ExecutionRefStr = Annotated[
    str, Meta(min_length=1, description="An execution's id, or the last 8 characters of it.")
]
WaitSeconds = Annotated[
    float, Meta(ge=0, description="Seconds to wait at most; null: until it is final.")
]
Among = Annotated[
    list[Annotated[str, Meta(pattern="^[0-9A-Za-z]{26}$")]],
    Meta(
        max_length=10_000,
        description="Only of these runtimes, by their ids, alive or dead or taken off the lists: "
        "what a proxy lets its client see. An id that there is not is not an error.",
    ),
]
_SUBMIT_ERRORS = (
    *_FIND_ERRORS,
    *_START_ERRORS,
    RuntimeDead,
    ExecutionConflict,
    InvalidParams,
)


class Cell(CellRef, forbid_unknown_fields=True):
    """A cell, as a caller names it."""


class _Submission(Call[Execution], frozen=True, kw_only=True):
    code: str
    runtime: Annotated[str | None, Meta(description="The runtime; else the project's one.")] = None
    project: Annotated[
        str | None,
        Meta(description="A directory, absolute: the one live runtime of it is found or started."),
    ] = None
    kernel_name: Annotated[str, Meta(min_length=1, description="As in runtime.start.")] | None = (
        None
    )
    environment: Annotated[str, Meta(min_length=1, description="As in runtime.start.")] | None = (
        None
    )
    dependencies: Dependencies | None = None
    cwd: Annotated[str | None, Meta(description="As in runtime.start.")] = None
    env: Annotated[dict[str, str] | None, Meta(description="As in runtime.start.")] = None
    name: RuntimeName | None = None
    id: Annotated[
        str | None,
        Meta(description="A ULID of the caller's. Submitted again, it is the same execution."),
    ] = None
    cell: Annotated[Cell | None, Meta(description="The cell of any application.")] = None
    group: Annotated[
        str | None, Meta(description="A failing execution cancels what is queued of its group.")
    ] = None
    stop_on_error: bool = True
    carry_over: Annotated[
        bool, Meta(description="Stay queued when the kernel restarts or dies.")
    ] = False
    stdin: Annotated[str | None, Meta(description="What input() and sys.stdin read.")] = None
    argv: (
        Annotated[
            list[str],
            Meta(
                min_length=1,
                description="sys.argv, in a Python kernel: what the program is called, "
                "then its arguments.",
            ),
        ]
        | None
    ) = None


@api(
    "execution.submit",
    Effect.WRITE,
    errors=_SUBMIT_ERRORS,
    rest=(
        "POST /v0/executions -> /v0/executions/{id}",
        "POST /v0/runtimes/{runtime}/executions -> /v0/executions/{id}",
    ),
)
class ExecutionSubmit(_Submission, frozen=True, kw_only=True):
    """Queue code and return at once; it is stored before this is answered."""


@api(
    "execution.eval",
    Effect.WRITE,
    errors=_SUBMIT_ERRORS,
    rest=(
        "POST /v0/executions?wait_s -> /v0/executions/{id}",
        "POST /v0/runtimes/{runtime}/executions?wait_s -> /v0/executions/{id}",
    ),
)
class ExecutionEval(_Submission, frozen=True, kw_only=True):
    """Queue code, wait, and return the execution with its outputs, final or not."""

    wait_s: WaitSeconds | None = None
    outputs: bool = True


@api(
    "execution.get",
    Effect.READ,
    errors=(ExecutionNotFound, AmbiguousReference),
    rest=("GET /v0/executions/{execution}",),
)
class ExecutionGet(Call[Execution], frozen=True, kw_only=True):
    """Return one execution with its outputs."""

    execution: ExecutionRefStr
    outputs: bool = True


@api(
    "execution.list",
    Effect.READ,
    errors=(*_FIND_ERRORS, ExecutionNotFound, InvalidParams, StoreUnavailable),
    rest=(
        "GET /v0/executions",
        "GET /v0/runtimes/{runtime}/executions",
    ),
)
class ExecutionList(Call[list[Execution]], frozen=True, kw_only=True):
    """List executions, newest first, without outputs."""

    runtime: Annotated[str | None, Meta(description="Only of this runtime.")] = None
    status: Annotated[list[ExecutionStatus] | None, Meta(description="Only in these.")] = None
    cell: Annotated[Cell | None, Meta(description="Only of this cell.")] = None
    foreign: Annotated[
        bool | None,
        Meta(description="true: only what others ran; false: only what was submitted through us."),
    ] = None
    pinned: Annotated[bool, Meta(description="Only those that are pinned.")] = False
    by: By | None = None
    runtimes: Among | None = None
    grep: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=1000,
                description="Only whose code has this text in it, as it is but for the case of "
                "ASCII letters. A text of one or two characters is looked for in the newest "
                "5,000 only.",
            ),
        ]
        | None
    ) = None
    since: Annotated[
        str | None, Meta(description="Only submitted then or later: RFC 3339, with its zone.")
    ] = None
    until: Annotated[
        str | None, Meta(description="Only submitted before: RFC 3339, with its zone.")
    ] = None
    before: Annotated[str | None, Meta(description="Only older than this execution.")] = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


@api(
    "execution.wait",
    Effect.READ,
    errors=(ExecutionNotFound, AmbiguousReference),
    rest=("GET /v0/executions/{execution}?wait_s",),
)
class ExecutionWait(Call[Execution], frozen=True, kw_only=True):
    """Wait until the execution is final, or for wait_s seconds, and return it with outputs."""

    execution: ExecutionRefStr
    wait_s: WaitSeconds | None = None
    outputs: bool = True


@api(
    "execution.output",
    Effect.READ,
    errors=(ExecutionNotFound, AmbiguousReference, InvalidParams),
    rest=("GET /v0/executions/{execution}/output",),
)
class ExecutionOutput(Call[OutputPage], frozen=True, kw_only=True):
    """Page through an execution's output as text, line by line."""

    execution: ExecutionRefStr
    cursor: Annotated[int, Meta(ge=0, description="The first line wanted; 0 is the first.")] = 0
    lines: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    tail: Annotated[int, Meta(ge=1, description="Only the last so many lines.")] | None = None
    grep: Annotated[
        str | None, Meta(description="Only lines that match (Python re), ANSI sequences aside.")
    ] = None
    mime: Annotated[
        str | None, Meta(description="Show rich outputs as this type where they have it.")
    ] = None
    unfinished_chars: (
        Annotated[
            int,
            Meta(ge=1, le=4096, description="Of a line that has not ended only its end, so long."),
        ]
        | None
    ) = None


@api(
    "execution.cancel",
    Effect.WRITE,
    errors=(ExecutionNotFound, AmbiguousReference),
    rest=("POST /v0/executions/{execution}/cancel",),
)
class ExecutionCancel(Call[Execution], frozen=True, kw_only=True):
    """Cancel an execution that is still queued; one that is not is returned as it is.

    One that is on its way to the kernel is returned as queued, with that as its reason: it can
    be interrupted.
    """

    execution: ExecutionRefStr


@api(
    "execution.interrupt",
    Effect.WRITE,
    errors=(ExecutionNotFound, AmbiguousReference, CannotInterrupt, KeeperUnavailable),
    rest=("POST /v0/executions/{execution}/interrupt",),
)
class ExecutionInterrupt(Call[Interrupted], frozen=True, kw_only=True):
    """Interrupt a running execution, cancel a queued one; nothing happens to a final one.

    One interrupt serves all who ask while it is being delivered, or within half a second after:
    they are answered as the first was. Where it was not delivered, the next one tries again.
    """

    execution: ExecutionRefStr
    force: InterruptForce = False
    wait_s: InterruptSeconds = 5.0


@api(
    "execution.input",
    Effect.WRITE,
    errors=(
        ExecutionNotFound,
        AmbiguousReference,
        NotWaitingForInput,
        StaleInput,
        KeeperUnavailable,
        StoreUnavailable,
        Denied,
    ),
    rest=("POST /v0/executions/{execution}/input",),
)
class ExecutionInput(Call[Nothing], frozen=True, kw_only=True):
    """Answer the input request of a waiting execution."""

    execution: ExecutionRefStr
    value: str
    eof: Annotated[bool, Meta(description="End of file instead of a value.")] = False
    request: (
        Annotated[
            str,
            Meta(
                description="The `request` of the input that this answers: refused where another "
                "is asked for by now. Null: whatever is asked for."
            ),
        ]
        | None
    ) = None


@api("blob.get", Effect.READ, errors=(BlobNotFound,), rest=("GET /v0/blobs/{sha256}",))
class BlobGet(Call[Blob], frozen=True, kw_only=True):
    """Return a blob."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    runtimes: (
        Annotated[
            Among, Meta(description="Only if an execution in one of these has it in its outputs.")
        ]
        | None
    ) = None
