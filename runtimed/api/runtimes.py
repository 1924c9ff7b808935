"""Calls on runtimes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.environments import (
    Dependencies,  # noqa: TC001 - read by msgspec
    RequiresPython,  # noqa: TC001
)
from runtimed.api.errors import (
    AmbiguousReference,
    CannotInterrupt,
    Denied,
    EnvironmentBuildFailed,
    EnvironmentNotFound,
    EnvironmentUnusable,
    FinderUnavailable,
    InvalidParams,
    KeeperUnavailable,
    KernelBusy,
    KernelDidNotStart,
    KernelNotFound,
    KernelProgramMissing,
    KernelUnresponsive,
    LimitsNotInForce,
    NameTaken,
    NoServer,
    NotConfirmed,
    NotOurs,
    RuntimeAlive,
    RuntimeDead,
    RuntimeNotFound,
    StoreUnavailable,
    VariablesUnsupported,
)
from runtimed.api.types import (
    Document,
    Ended,
    Forgotten,
    Interrupted,
    Limits,
    LogPage,
    Nothing,
    Pruned,
    Record,
    Runtime,
    Variables,
)

RuntimeRefStr = Annotated[
    str,
    Meta(
        min_length=1,
        description="A ULID, short id, name, pid, kernel id or stem of the connection file, "
        "or the notebook's path; "
        "where nothing is destroyed also a unique prefix of a short id or name.",
    ),
]
_Offset = Annotated[int, Meta(ge=0, le=1 << 53)]
RuntimeName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="A name for the runtime: no control characters.",
    ),
]
InterruptSeconds = Annotated[
    float, Meta(ge=0, description="Seconds in which the execution may be seen to end.")
]
InterruptForce = Annotated[
    bool,
    Meta(description="Also where the kernel dies of it, or does not say what it is at."),
]
_START_ERRORS = (
    KernelNotFound,
    EnvironmentNotFound,
    EnvironmentUnusable,
    EnvironmentBuildFailed,
    KernelProgramMissing,
    KernelDidNotStart,
    LimitsNotInForce,
    NameTaken,
    KeeperUnavailable,
    StoreUnavailable,
    FinderUnavailable,
    Denied,
)
_FIND_ERRORS = (RuntimeNotFound, AmbiguousReference)
By = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="Only what came from this agent (its name), or this kind of client: 'mcp' "
        "means all of MCP.",
    ),
]
Force = Annotated[
    bool, Meta(description="Also where somebody else started the kernel, or would lose by it.")
]


class LimitsWanted(Limits, forbid_unknown_fields=True):
    """The limits of a kernel that is to be started; without any of them it has none."""


@api("runtime.list", Effect.READ, rest=("GET /v0/runtimes",))
class RuntimeList(Call[list[Runtime]], frozen=True, kw_only=True):
    """List runtimes, oldest first."""

    all: Annotated[bool, Meta(description="Dead ones too.")] = False
    origin: Annotated[
        Literal["launched", "adopted"] | None,
        Meta(description="Only those that we started, or that others did."),
    ] = None
    kernel: Annotated[str | None, Meta(description="Only of this kernel name.")] = None
    by: By | None = None


@api("runtime.get", Effect.READ, errors=_FIND_ERRORS, rest=("GET /v0/runtimes/{runtime}",))
class RuntimeGet(Call[Runtime], frozen=True, kw_only=True):
    """Return one runtime."""

    runtime: RuntimeRefStr


@api(
    "runtime.start",
    Effect.WRITE,
    errors=_START_ERRORS,
    rest=("POST /v0/runtimes -> /v0/runtimes/{id}",),
)
class RuntimeStart(Call[Runtime], frozen=True, kw_only=True):
    """Start a kernel and wait until it answers.

    With neither kernel_name nor environment it takes the caller's active environment, the
    project's ``.venv``, the user's own python3 kernelspec, or runtimed's own ipykernel.
    """

    kernel_name: (
        Annotated[str, Meta(min_length=1, description="A kernelspec's name, or an environment.")]
        | None
    ) = None
    environment: (
        Annotated[str, Meta(min_length=1, description="A Python environment or interpreter.")]
        | None
    ) = None
    dependencies: Dependencies | None = None
    requires_python: RequiresPython | None = None
    code: Annotated[
        str | None,
        Meta(description="Code whose header (PEP 723) may name more packages; it is not run."),
    ] = None
    name: RuntimeName | None = None
    cwd: Annotated[str | None, Meta(description="Its working directory, absolute.")] = None
    env: Annotated[
        dict[str, str] | None,
        Meta(description="Its environment variables; never stored, logged or returned."),
    ] = None
    project: Annotated[str | None, Meta(description="The project it belongs to, absolute.")] = None
    idle_stop_s: (
        Annotated[
            float,
            Meta(
                gt=0,
                description="Stop after so long without work; null: never. An agent's runtime "
                "stops after `agent_idle_stop_s` at the latest.",
            ),
        ]
        | None
    ) = None
    limits: LimitsWanted | None = None
    start_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to wait for a first answer, over all attempts.")
    ] = 60.0


@api(
    "runtime.stop",
    Effect.DESTROY,
    errors=(*_FIND_ERRORS, NotOurs, NotConfirmed, KeeperUnavailable),
    rest=("POST /v0/runtimes/{runtime}/stop",),
)
class RuntimeStop(Call[Ended], frozen=True, kw_only=True):
    """Ask the kernel to shut down, then SIGTERM, then SIGKILL; say which one worked."""

    runtime: RuntimeRefStr
    grace_s: Annotated[float, Meta(ge=0, description="Seconds for each rung.")] = 5.0
    force: Force = False


@api(
    "runtime.kill",
    Effect.DESTROY,
    errors=(*_FIND_ERRORS, NotOurs, NotConfirmed, KeeperUnavailable),
    rest=("POST /v0/runtimes/{runtime}/kill",),
)
class RuntimeKill(Call[Ended], frozen=True, kw_only=True):
    """Kill the kernel's process and all below it, at once."""

    runtime: RuntimeRefStr
    force: Force = False


class CalledOff(Document):
    """How many starts were called off."""

    starts: int


@api("runtime.call_off", Effect.DESTROY, rest=("POST /v0/runtimes/call_off",))
class RuntimeCallOff(Call[CalledOff], frozen=True, kw_only=True):
    """Call off the starts that still wait for their environment, and so are not listed yet.

    Whoever asked for one gets `KernelDidNotStart`. What is being built goes on: it starts nothing.
    """

    by: By


@api(
    "runtime.restart",
    Effect.DESTROY,
    errors=(*_FIND_ERRORS, *_START_ERRORS, NotOurs, NoServer),
    rest=("POST /v0/runtimes/{runtime}/restart",),
)
class RuntimeRestart(Call[Ended], frozen=True, kw_only=True):
    """End the kernel and start it anew: same runtime, same address, new incarnation.

    What was queued is cancelled, unless its submitter asked to carry it over. A dead runtime
    is started again. A kernel of a Jupyter server is restarted by that, if forced.
    """

    runtime: RuntimeRefStr
    env: Annotated[
        dict[str, str] | None,
        Meta(description="Used only where the old environment is not to be had any more."),
    ] = None
    force: Force = False


@api(
    "runtime.interrupt",
    Effect.WRITE,
    errors=(*_FIND_ERRORS, RuntimeDead, CannotInterrupt, KeeperUnavailable),
    rest=("POST /v0/runtimes/{runtime}/interrupt",),
)
class RuntimeInterrupt(Call[Interrupted], frozen=True, kw_only=True):
    """Interrupt what the kernel is running now, as execution.interrupt does."""

    runtime: RuntimeRefStr
    force: InterruptForce = False
    wait_s: InterruptSeconds = 5.0


@api(
    "runtime.rename",
    Effect.WRITE,
    errors=(*_FIND_ERRORS, NameTaken),
    rest=("POST /v0/runtimes/{runtime}/rename",),
)
class RuntimeRename(Call[Runtime], frozen=True, kw_only=True):
    """Give the runtime another name."""

    runtime: RuntimeRefStr
    name: RuntimeName


@api(
    "runtime.share",
    Effect.WRITE,
    errors=(*_FIND_ERRORS, Denied, StoreUnavailable),
    rest=("POST /v0/runtimes/{runtime}/share",),
)
class RuntimeShare(Call[Runtime], frozen=True, kw_only=True):
    """Let agents see a runtime that none of them started, with its history, and use it; or not.

    An agent cannot ask for it: the one that shares is a person. Only an exact name will do.
    """

    runtime: RuntimeRefStr
    shared: Annotated[bool, Meta(description="false: agents see it no longer.")] = True


@api(
    "runtime.remove",
    Effect.DESTROY,
    errors=(*_FIND_ERRORS, RuntimeAlive),
    rest=("DELETE /v0/runtimes/{runtime}",),
)
class RuntimeRemove(Call[Nothing], frozen=True, kw_only=True):
    """Take a runtime off the lists that is dead, or proven to be. Its executions stay in history.

    Its connection file goes too.
    """

    runtime: RuntimeRefStr


@api("runtime.logs", Effect.READ, errors=_FIND_ERRORS, rest=("GET /v0/runtimes/{runtime}/logs",))
class RuntimeLogs(Call[LogPage], frozen=True, kw_only=True):
    """Return the end of what the kernel's process wrote by itself, or what follows a page.

    With ``wait_s`` it answers as soon as there is anything, and at once where nothing can come.
    """

    runtime: RuntimeRefStr
    tail_bytes: Annotated[int, Meta(ge=0, le=1 << 20, description="The most of each.")] = 65_536
    stdout_from: Annotated[
        _Offset | None, Meta(description="The `stdout_end` of an earlier page.")
    ] = None
    stderr_from: Annotated[
        _Offset | None, Meta(description="The `stderr_end` of an earlier page.")
    ] = None
    wait_s: Annotated[float, Meta(ge=0, le=3_600)] = 0.0


@api("runtime.prune", Effect.DESTROY, rest=("POST /v0/runtimes/prune",))
class RuntimePrune(Call[list[Pruned]], frozen=True, kw_only=True):
    """Take all dead runtimes off the lists, and remove the connection files that they left."""

    dry_run: Annotated[bool, Meta(description="Only say what would be removed.")] = False


@api(
    "runtime.record",
    Effect.WRITE,
    errors=(*_FIND_ERRORS, InvalidParams, KeeperUnavailable),
    rest=(
        "POST /v0/runtimes/record",
        "POST /v0/runtimes/{runtime}/record",
    ),
)
class RuntimeRecord(Call[list[Runtime]], frozen=True, kw_only=True):
    """Say what is kept of the executions of others: all, metadata (no code, no outputs) or off.

    Of one runtime, or of all that work in a directory, present and future ones. Returns the
    runtimes that are concerned. What came through us is always kept.
    """

    record: Record
    runtime: RuntimeRefStr | None = None
    directory: Annotated[str | None, Meta(description="Absolute; all below it is meant.")] = None


@api(
    "runtime.forget",
    Effect.DESTROY,
    errors=(*_FIND_ERRORS, InvalidParams, Denied),
    rest=("POST /v0/runtimes/{runtime}/forget",),
)
class RuntimeForget(Call[Forgotten], frozen=True, kw_only=True):
    """Delete what is recorded of a runtime: its final executions, their outputs and events."""

    runtime: RuntimeRefStr
    since: Annotated[
        str | None, Meta(description="Only what was submitted from then on (RFC 3339).")
    ] = None


@api(
    "runtime.variables",
    Effect.READ,
    errors=(
        *(*_FIND_ERRORS, RuntimeDead, KernelBusy, KernelUnresponsive, VariablesUnsupported),
        KeeperUnavailable,
    ),
    rest=("GET /v0/runtimes/{runtime}/variables",),
)
class RuntimeVariables(Call[Variables], frozen=True, kw_only=True):
    """Look at the variables of a Python kernel, also while it computes if it has subshells."""

    runtime: RuntimeRefStr
