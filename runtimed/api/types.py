"""The documents, as they are on the wire. Times are RFC 3339 UTC with milliseconds.

A client meets fields that it does not know with tolerance: an older ``runt`` reads a newer
``runtimed``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Status = Literal["starting", "alive", "unresponsive", "dead"]
Activity = Literal["idle", "busy", "waiting_input"]
ExecutionStatus = Literal[
    "queued",
    "running",
    "waiting_input",
    "done",
    "error",
    "interrupted",
    "cancelled",
    "kernel_died",
    "lost",
]

#: Statuses that an execution never leaves.
FINAL: frozenset[str] = frozenset(
    ("done", "error", "interrupted", "cancelled", "kernel_died", "lost")
)


class Document(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Base of everything that is returned."""


Record = Literal["all", "metadata", "off"]


class Exit(Document):
    """How a kernel's process ended.

    ``reason``: exit, signal, shutdown_request, idle (it was stopped for that), oom, unknown or
    not_started.

    ``stderr`` has the last lines that it wrote, where it was we who started it.
    """

    code: int | None = None
    signal: int | None = None
    reason: str = "unknown"
    stderr: list[str] = []


class Owner(Document):
    """Who started an adopted kernel, and ends it with itself.

    A Jupyter server with its address and the notebook's path, or the process above the kernel;
    ``name`` is the program's. ``earlier_paths`` are those that the notebook had before, newest
    first.
    """

    kind: Literal["jupyter_server", "process"]
    url: str | None = None
    path: str | None = None
    pid: int | None = None
    name: str | None = None
    earlier_paths: list[str] = []


class Limits(Document):
    """How much a kernel and all that it starts may use together. ``cpus``: 1.5 is one and a half.

    ``soft``: no control group is asked for; each process by itself is limited in memory (address
    space) and the user's processes in number.

    The others are about one execution of ours, and end no kernel. After ``execution_s`` it is
    interrupted, or with ``detach`` whoever waits for it gets it back as it is, and it runs on; the
    time that it waits for input counts, the time in the queue does not. When it has put out more
    than ``output_bytes``, as the kernel sends it, it is interrupted. That happens once; what comes
    after it is recorded all the same. Where an interrupt would end the kernel, or does not end the
    execution, whoever waits gets it back as it is.
    """

    memory_bytes: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    cpus: Annotated[float, Meta(ge=0.01, le=100_000)] | None = None
    tasks: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    soft: bool = False
    execution_s: Annotated[float, Meta(gt=0, le=315_360_000)] | None = None
    on_execution_s: Literal["interrupt", "detach"] = "interrupt"
    output_bytes: Annotated[int, Meta(ge=1, le=2**62)] | None = None


class Runtime(Document):
    """A kernel that runs, or ran: its process, its address and what it is doing.

    ``private`` says that other local users cannot read its sockets. ``idle_stop_s`` is null
    where it never stops by itself, ``limits`` where it has none, ``scope`` (the systemd unit that
    it has to itself) where it is in none. ``record`` says what is kept of the executions of others.
    ``rss_bytes`` and ``cpu_percent`` are those of the kernel's process and all below it.
    ``started_by`` is who asked for it, null where somebody else started the kernel. Agents see what
    they started, and what is ``shared`` with them. ``implicit`` is the one that `runt eval` finds,
    or starts, in its project. ``dependencies`` are the packages that it was
    asked to have, null where it runs in an environment that is not of our making.
    """

    id: str
    short_id: str
    name: str
    kernel_name: str
    language: str | None
    status: Status
    activity: Activity | None
    last_keepalive: str | None
    origin: Literal["launched", "adopted"]
    owner: Owner | None
    record: Record
    incarnation: int
    pid: int | None
    ip: str | None
    transport: str
    private: bool
    connection_file: str
    environment: str | None
    project: str | None
    cwd: str
    created_at: str
    ended_at: str | None
    exit: Exit | None
    rss_bytes: int | None
    cpu_percent: float | None
    queue_length: int
    idle_stop_s: float | None
    limits: Limits | None = None
    scope: str | None = None
    notices: list[str] = []
    started_by: RequestedBy | None = None
    shared: bool = False
    dependencies: list[str] | None = None
    implicit: bool = False


class RuntimeRef(Document):
    """A runtime, inside another document. ``notebook`` is the name of its owner's."""

    id: str
    name: str
    kernel_name: str
    notebook: str | None = None


class RequestedBy(Document):
    """Who submitted an execution, or started a runtime: the kind of client, and its pid as the
    socket tells it.

    ``client`` is "foreign" where it did not come through us; then ``session`` is Jupyter's.
    ``agent`` is the name of the agent that the client works for, as it said itself.
    """

    client: str
    pid: int | None = None
    session: str | None = None
    agent: str | None = None


class CellRef(Document):
    """A cell of any application: its own names for the notebook and for the cell."""

    notebook: str
    id: str


class GapPart(Document):
    """One loss of output. ``count`` is the number of messages, where it is known."""

    reason: str
    from_at: str | None = None
    to_at: str | None = None
    count: int | None = None


class Gap(GapPart):
    """Output that could not reach us.

    Where that was so more than once, ``parts`` has each loss, oldest first (of more than 32, the
    oldest of one reason become one), and the rest is about all: from the first to the last, with
    the reason of the first whose time is known, and a ``count`` if each has one.
    """

    parts: list[GapPart] | None = None


class Input(Document):
    """What a waiting execution asks for. ``request`` tells it from what it asks before and after.

    An answer that names it (`execution.input`) never goes to another request.
    """

    prompt: str
    password: bool
    request: str = ""


class BlobRef(Document):
    """A value too large to be inline: ``blob.get`` returns it.

    ``encoding`` says how the value follows from the blob's bytes: utf8 (the text itself),
    base64 (the text is their base64), json (their JSON is the value).
    """

    blob: Annotated[str, Meta(description="SHA-256 of the bytes, hexadecimal.")]
    size_bytes: int
    encoding: Literal["utf8", "base64", "json", "bytes"]


class Output(Document, omit_defaults=True):
    """One output as a notebook shows it (nbformat 4.5), with its buffers.

    stream: ``name``, ``text`` · display_data and execute_result: ``data``, ``metadata`` ·
    error: ``ename``, ``evalue``, ``traceback``. Values over the blob limit are `BlobRef`
    objects in their place. ``truncated_chars`` counts what is missing of a long ``text``;
    ``execution.output`` pages through all of it.
    """

    output_type: Literal["stream", "display_data", "execute_result", "error"]
    name: str | None = None
    text: str | None = None
    truncated_chars: int | None = None
    data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    execution_count: int | None = None
    display_id: str | None = None
    ename: str | None = None
    evalue: str | None = None
    traceback: list[str] | None = None
    buffers: list[BlobRef] | None = None


class OutputsRemoved(Document):
    """The tombstone of outputs that retention has removed: when, why, and how much it was."""

    at: str
    reason: str
    size_bytes: int


class Execution(Document):
    """One submission of code and what came of it. Final exactly once.

    ``outputs`` is null where they were not asked for. One that is pinned keeps its outputs;
    ``outputs_removed`` is there where they were removed to make room. ``detached``: it ran longer
    than its runtime lets anybody wait, so whoever waited got it back as it was then; `reason` says
    so, and it goes on.
    """

    id: str
    runtime: RuntimeRef
    incarnation: int | None
    code: str
    status: ExecutionStatus
    queued_at: str
    execution_started: str | None
    execution_end: str | None
    execution_count: int | None
    requested_by: RequestedBy
    cell: CellRef | None
    group: str | None
    input: Input | None
    gap: Gap | None
    reason: str | None
    outputs: list[Output] | None = None
    pinned_at: str | None = None
    outputs_removed: OutputsRemoved | None = None
    detached: bool = False


class OutputPage(Document):
    """A stretch of an execution's text. ``cursor`` continues where it ends.

    ``lines`` are without their line ends. ``unfinished`` is what there is of a line that has not
    ended yet, while it runs; ``cursor`` stays before it. ``earlier`` is whether a page of the last
    lines has not all that were asked for: those before its first are missing. ``gap`` is the
    execution's: with one, some of the text may be missing.
    """

    execution: str
    status: ExecutionStatus
    lines: list[str]
    unfinished: str | None
    cursor: int
    total_lines: int
    more: bool
    earlier: bool = False
    gap: Gap | None = None
    outputs_removed: OutputsRemoved | None = None


class Ended(Document):
    """How a runtime was ended, interrupted or restarted: the rung that worked."""

    runtime: Runtime
    how: Annotated[
        str,
        Meta(
            description="shutdown_request, SIGTERM, SIGKILL or already_dead; "
            "jupyter_server where that restarted it."
        ),
    ]


class Interrupted(Document):
    """How it was interrupted: signal, message, cancelled, or none where it was final already.

    ``ended`` says whether the execution was seen to end within the time that was given, ``status``
    as what: code may catch an interrupt, or end before it takes effect, and a kernel may die of
    it. ``reason`` says why the kernel ended.
    """

    how: Literal["signal", "message", "cancelled", "none"]
    execution: str | None
    ended: bool
    status: ExecutionStatus | None = None
    reason: str | None = None


class Variable(Document):
    """A name in the kernel's namespace. ``repr`` is short and never made by the user's code."""

    name: str
    type: str
    shape: list[int] | None = None
    length: int | None = None
    size_bytes: int | None = None
    repr: str | None = None


class Variables(Document):
    """What a look into the kernel saw. ``total`` counts the names, shown or not."""

    runtime: str
    via: Literal["subshell", "shell"]
    variables: list[Variable]
    total: int


class Pruned(Document):
    """A dead runtime that was, or would be, taken off the lists, with its connection file."""

    runtime: str
    name: str
    connection_file: str
    reason: str


class Forgotten(Document):
    """What was forgotten of a runtime.

    ``notices`` say of what may be left for a while where it is, and why.
    """

    executions: int
    blobs: int
    notices: list[str]


class LogPage(Document):
    """A part of what the kernel's process itself wrote to stdout and stderr.

    Where more was written than is kept (`kernel_log_bytes`), a line says how much was left out.
    """

    runtime: str
    stdout: str
    stderr: str
    stdout_end: int
    """Where this ends, in bytes since the runtime's start: `stdout_from` of the next page."""
    stderr_end: int
    ended: bool
    """Whether nothing more can come: the kernel has ended, or writes to files of its owner's."""


class Blob(Document):
    """The bytes of a blob, base64."""

    sha256: str
    size_bytes: int
    data: str


class Subscription(Document):
    """A subscription: events come as ``event`` notifications that carry its id."""

    subscription: str
    cursor: str


class Nothing(Document):
    """Done; there is nothing to say."""
