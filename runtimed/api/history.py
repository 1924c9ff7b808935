"""Calls on the record: looking things up, doing them again, keeping them, making room."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import (
    AmbiguousReference,
    CannotRerun,
    ExecutionNotFound,
    InvalidParams,
    RuntimeNotFound,
    StoreUnavailable,
)
from runtimed.api.executions import _SUBMIT_ERRORS, Among, ExecutionRefStr
from runtimed.api.runtimes import By  # noqa: TC001 (msgspec reads it)
from runtimed.api.types import Document, Execution, ExecutionStatus

_LOOK_UP_ERRORS = (
    RuntimeNotFound,
    ExecutionNotFound,
    AmbiguousReference,
    InvalidParams,
    StoreUnavailable,
)
Foreign = Annotated[
    bool,
    Meta(description="true: only what others ran; false: only what was submitted through us."),
]
Moment = Annotated[str, Meta(description="RFC 3339, with its zone.")]
OlderThan = Annotated[str, Meta(description="Only older than this execution.")]


class Snippet(Document):
    """A stretch of what was found. ``marks`` are [from, to) in its characters: the words meant."""

    where: Literal["code", "error", "output"]
    text: str
    marks: list[list[int]]


class Found(Document):
    """An execution that was searched for, without outputs. A greater ``score`` fits better."""

    execution: Execution
    score: float
    snippets: list[Snippet]


@api(
    "execution.search",
    Effect.READ,
    errors=_LOOK_UP_ERRORS,
    rest=("GET /v0/search",),
)
class ExecutionSearch(Call[list[Found]], frozen=True, kw_only=True):
    """Find executions by the words of their code, their errors and their text output, best first.

    All words must be there, in any order, in whatever case; ``"words in quotes"`` in this order
    and next to each other; ``begin*`` is every word that begins so (two letters at least). Signs
    only separate words: ``merge_frames`` is found by ``merge``. Words are what SQLite's unicode61
    makes of a text: of Chinese and Japanese a run of characters is one word, and ``東京*`` finds
    those that begin so. Of one execution the code, and the
    first and last 32 KiB of each of errors and output, are searched: streams and text/plain.

    The newest 500 that match are ranked, by how often and where the words occur (code before
    errors before output) and by age; ``before`` goes on with older ones.
    """

    query: Annotated[str, Meta(min_length=1, max_length=1000)]
    runtime: Annotated[str | None, Meta(description="Only of this runtime.")] = None
    status: Annotated[list[ExecutionStatus] | None, Meta(description="Only in these.")] = None
    foreign: Foreign | None = None
    by: By | None = None
    runtimes: Among | None = None
    since: Moment | None = None
    until: Moment | None = None
    before: OlderThan | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


@api(
    "execution.rerun",
    Effect.WRITE,
    errors=(*_SUBMIT_ERRORS, ExecutionNotFound, CannotRerun),
    rest=("POST /v0/executions/{execution}/rerun -> /v0/executions/{id}",),
)
class ExecutionRerun(Call[Execution], frozen=True, kw_only=True):
    """Queue the code of an execution once more, as a new one, and return that at once.

    It runs in its runtime, while that lives; else in the project's of the same kernel, which is
    started if need be (where others had started a Python kernel that no kernelspec has the name
    of, the project's Python is). Its arguments (sys.argv) go with it; its stdin was not kept, and
    the cell that it was of keeps its own latest.
    """

    execution: ExecutionRefStr
    runtime: Annotated[str | None, Meta(description="Run it in this one instead.")] = None
    env: Annotated[
        dict[str, str] | None, Meta(description="As in runtime.start, where one is started.")
    ] = None
    id: Annotated[str | None, Meta(description="As in execution.submit.")] = None


@api(
    "execution.pin",
    Effect.WRITE,
    errors=(ExecutionNotFound, AmbiguousReference, StoreUnavailable),
    rest=("POST /v0/executions/{execution}/pin",),
)
class ExecutionPin(Call[Execution], frozen=True, kw_only=True):
    """Keep the outputs of an execution, however much room is needed."""

    execution: ExecutionRefStr


@api(
    "execution.unpin",
    Effect.WRITE,
    errors=(ExecutionNotFound, AmbiguousReference, StoreUnavailable),
    rest=("POST /v0/executions/{execution}/unpin",),
)
class ExecutionUnpin(Call[Execution], frozen=True, kw_only=True):
    """Let retention remove the outputs of an execution again."""

    execution: ExecutionRefStr


class Retention(Document):
    """How much is kept, and how much may be: the less of two settings, one a part of the disk.

    ``used_bytes`` is the database without its free pages, the search index and the blobs. The
    write-ahead log is not counted: it is moved into the database by itself. Nor are the
    ``leaving_bytes`` of blobs that nothing refers to any more: they are removed within minutes.
    ``unremovable_bytes`` is null, unless what cannot go (pinned executions, those that are not
    over, code) is above the limit by itself; then outputs are kept of a tenth of the limit.
    """

    used_bytes: int
    limit_bytes: int
    leaving_bytes: int
    unremovable_bytes: int | None
    retention_bytes: int
    retention_percent: int
    disk_bytes: int


class Collected(Document):
    """What was, or with ``dry_run`` would be, removed to make room.

    ``executions`` have lost their outputs, of ``size_bytes``; ``foreign`` of them were others'.
    """

    dry_run: bool
    executions: int
    foreign: int
    size_bytes: int
    before: Retention
    after: Retention | None


@api(
    "daemon.gc",
    Effect.DESTROY,
    errors=(StoreUnavailable,),
    rest=("POST /v0/daemon/gc",),
)
class DaemonGc(Call[Collected], frozen=True, kw_only=True):
    """Remove outputs until what is kept is within its limit, as happens by itself.

    The oldest of others go first, then the oldest of ours; none that is pinned or that an
    open notebook shows, none of an execution that is not over. Code and status stay, and a
    tombstone (`outputs_removed`).
    """

    dry_run: Annotated[bool, Meta(description="Only say what would go.")] = False
