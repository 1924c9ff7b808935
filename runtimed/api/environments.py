"""Calls on environments: what can be started, and what is built for those who name packages."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import (
    AmbiguousReference,
    Denied,
    EnvironmentBuildFailed,
    EnvironmentNotFound,
    EnvironmentUnusable,
    FinderUnavailable,
    InvalidParams,
    KernelDidNotStart,
    KernelNotFound,
    KernelProgramMissing,
)
from runtimed.api.types import Document

_MAX_DEPENDENCIES = 200
Dependencies = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=500)]],
    Meta(
        max_length=_MAX_DEPENDENCIES,
        description="Packages that it has, as `pandas>=2` (names and versions, PEP 508: no "
        "options, URLs or paths). Python only: it runs in an environment of its own that is "
        "built once for all who ask for the same.",
    ),
]
RequiresPython = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="Versions of Python that will do, as `>=3.12`. Where the usual one does not, "
        "the newest at hand is taken, in an environment of its own.",
    ),
]
_DAY_S = 86_400.0


class Environment(Document):
    """Something that ``runtime.start`` can start: a kernelspec, or a Python environment.

    ``cached`` ones were built for `dependencies` and are removed by ``environment.prune``; one of
    kind ``runtimed`` is our own Python. ``unusable`` says why it cannot start, and what helps.
    """

    kind: Literal["kernelspec", "venv", "uv", "conda", "runtimed", "cached"]
    name: str
    language: str | None
    path: str
    default: bool = False
    unusable: str | None = None
    python_version: str | None = None
    dependencies: list[str] | None = None
    used_at: str | None = None
    size_bytes: int | None = None


class Prepared(Document):
    """The environment for these packages: ``building`` goes on, whoever waits.

    So does ``waiting``, once others are built: two are at once.
    ``not_needed``: nothing asks for one; then it is the usual Python. ``dependencies`` and
    ``requires_python``, given to ``runtime.start``, lead to the same.
    """

    status: Literal["ready", "building", "waiting", "not_needed"]
    path: str | None
    dependencies: list[str]
    python_version: str | None
    requires_python: str | None = None


class PrunedEnvironment(Document):
    """A cached environment that was, or would be, removed. It is built again when it is needed.

    ``used_at`` is null for what a build has left that did not come to its end.
    """

    name: str
    path: str
    python_version: str | None
    size_bytes: int | None
    used_at: str | None


@api("environment.list", Effect.READ, errors=(FinderUnavailable,), rest=("GET /v0/environments",))
class EnvironmentList(Call[list[Environment]], frozen=True, kw_only=True):
    """List what can be started, as the caller would see it. Starts no interpreter."""

    env: Annotated[
        dict[str, str] | None, Meta(description="The caller's environment variables.")
    ] = None
    project: Annotated[str | None, Meta(description="The caller's project directory.")] = None


@api(
    "environment.prepare",
    Effect.WRITE,
    errors=(
        *(InvalidParams, EnvironmentBuildFailed, EnvironmentNotFound, EnvironmentUnusable),
        *(KernelNotFound, KernelProgramMissing, KernelDidNotStart, AmbiguousReference),
        *(FinderUnavailable, Denied),
    ),
    rest=("POST /v0/environments/prepare",),
)
class EnvironmentPrepare(Call[Prepared], frozen=True, kw_only=True):
    """Have the environment built that a start with these packages would take.

    Whether or not it was prepared, a start waits for it; this is for those who want to know
    first how long that may be.
    """

    dependencies: Dependencies | None = None
    requires_python: RequiresPython | None = None
    code: Annotated[
        str | None, Meta(description="Code whose header (PEP 723) may name more packages.")
    ] = None
    kernel_name: Annotated[str, Meta(min_length=1, description="As in runtime.start.")] | None = (
        None
    )
    environment: Annotated[str, Meta(min_length=1, description="As in runtime.start.")] | None = (
        None
    )
    cwd: Annotated[str | None, Meta(description="As in runtime.start.")] = None
    env: Annotated[dict[str, str] | None, Meta(description="As in runtime.start.")] = None
    project: Annotated[str | None, Meta(description="As in runtime.start.")] = None
    wait_s: (
        Annotated[
            float, Meta(ge=0, description="Seconds to wait at most; null: until it is built.")
        ]
        | None
    ) = None


@api(
    "environment.prune",
    Effect.DESTROY,
    errors=(Denied,),
    rest=("POST /v0/environments/prune",),
)
class EnvironmentPrune(Call[list[PrunedEnvironment]], frozen=True, kw_only=True):
    """Remove cached environments that were not used for so long, and that no kernel runs in."""

    older_s: Annotated[
        float, Meta(ge=0, description="Only those that were last used longer ago.")
    ] = 30 * _DAY_S
    dry_run: Annotated[bool, Meta(description="Only say what would be removed.")] = False
