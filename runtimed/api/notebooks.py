"""Notebooks and their cells: the documents, and the calls on whole notebooks.

A notebook that is open is a document of the daemon's; its file is read by `notebook.open` and
written by `notebook.save`, and by nothing else. Every run of a cell is an execution with
``cell {notebook, id}``, whose ids are those here: ``execution.list`` with that cell is its history.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from runtimed.api.call import Call, Effect, R_co, api
from runtimed.api.errors import (
    AmbiguousReference,
    CellNotFound,
    FileChanged,
    FileMissing,
    FileUnusable,
    InvalidParams,
    NotANotebook,
    NotebookNotFound,
    NotSaved,
    RuntimeDead,
    StaleEdit,
    StoreUnavailable,
)
from runtimed.api.runtimes import _FIND_ERRORS, _START_ERRORS
from runtimed.api.types import Document, Execution, ExecutionStatus, Nothing, Output, RuntimeRef

CellKind = Literal["code", "markdown", "raw"]
NotebookFormat = Literal["ipynb", "py"]


class ExecutionRef(Document):
    """An execution, inside another document."""

    id: str
    status: ExecutionStatus
    execution_count: int | None
    queued_at: str
    execution_started: str | None
    execution_end: str | None


class CodeCell(Document):
    """A cell of a notebook: code, or the text and raw matter between code (``kind``).

    ``index`` is its place, from 0. ``nb_id`` is nbformat's own id of it, unique in its notebook,
    and kept in files. ``execution`` is its latest; ``outputs`` (null where they were not asked
    for) and ``execution_count`` are of the latest that began, else what its file had. ``queued``
    are its executions that are not final; ``notice`` says so where one of them has another source.
    ``etag`` is a new one with each edit of ``src``, ``kind``, ``metadata`` or ``attachments``; a
    run leaves it.
    """

    id: str
    notebook: str
    index: int
    kind: CellKind
    src: str
    nb_id: str
    metadata: dict[str, Any]
    attachments: dict[str, Any] | None
    execution: ExecutionRef | None
    execution_count: int | None
    queued: list[str]
    notice: str | None
    outputs: list[Output] | None
    etag: str


class Notebook(Document):
    """A notebook that is open here. ``cells`` is null in lists.

    ``path`` is its file, absolute; null for one that has none yet. ``is_changed``: there is
    something that its file has not: an edit since it was read or saved, or a run, where the file
    is one that has outputs. ``runtime`` is
    where its cells run; null before the first run. ``etag`` is a new one with each change of its
    name, metadata or runtime, and of which cells it has in what order; not with a cell's edit.
    """

    id: str
    short_id: str
    name: str
    path: str | None
    metadata: dict[str, Any]
    runtime: RuntimeRef | None
    cell_count: int
    cells: list[CodeCell] | None
    is_changed: bool
    created_at: str
    changed_at: str
    saved_at: str | None
    etag: str


class NotebookRun(Document):
    """What was queued of a notebook: one execution for each code cell, in order, as one group.

    ``runtime`` is null where there was nothing to run.
    """

    notebook: str
    runtime: RuntimeRef | None
    group: str
    executions: list[Execution]


class Exported(Document):
    """A notebook as text. ``name`` is what its file may be called."""

    format: str
    name: str
    text: str


NotebookRefStr = Annotated[
    str,
    Meta(min_length=1, description="A notebook's id, short id, name, or the path of its file."),
]
IfMatch = Annotated[
    str, Meta(min_length=1, description="The etag that the change is for; else StaleEdit.")
]
NotebookName = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f/]+$", description="A name.")
]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\x00]*$", description="An absolute path.")]
_FIND = (NotebookNotFound, AmbiguousReference)
_RUN_ERRORS = (NotebookNotFound, *_FIND_ERRORS, *_START_ERRORS, RuntimeDead, InvalidParams)


class NewCell(Document, forbid_unknown_fields=True):
    """A cell that is to be made."""

    src: str = ""
    kind: CellKind = "code"
    metadata: dict[str, Any] = {}


class RunParameters(Call[R_co], frozen=True, kw_only=True):
    """Where a notebook's cells run, for all calls that run some.

    With ``runtime`` the notebook has that one from now on. Else it has the one it had, started
    again if that is dead; a notebook that has none gets one of its own: of ``kernel_name`` or
    ``environment``, else of what its metadata name (``kernelspec.name``).
    """

    runtime: Annotated[str | None, Meta(description="A runtime that lives.")] = None
    kernel_name: Annotated[str, Meta(min_length=1, description="As in runtime.start.")] | None = (
        None
    )
    environment: Annotated[str, Meta(min_length=1, description="As in runtime.start.")] | None = (
        None
    )
    cwd: Annotated[
        str | None, Meta(description="As in runtime.start; else the directory of its file.")
    ] = None
    project: Annotated[str | None, Meta(description="As in runtime.start.")] = None
    env: Annotated[dict[str, str] | None, Meta(description="As in runtime.start.")] = None


@api(
    "notebook.create",
    Effect.WRITE,
    errors=(InvalidParams, StoreUnavailable),
    rest=("POST /v0/notebooks -> /v0/notebooks/{id}",),
)
class NotebookCreate(Call[Notebook], frozen=True, kw_only=True):
    """Make a notebook without a file; `notebook.save` with a path gives it one."""

    name: NotebookName = "Untitled"
    cells: list[NewCell] = []
    kernel_name: (
        Annotated[str, Meta(min_length=1, description="The kernelspec that its metadata name.")]
        | None
    ) = None
    metadata: dict[str, Any] = {}


@api(
    "notebook.open",
    Effect.WRITE,
    errors=(FileMissing, FileUnusable, FileChanged, NotANotebook, StoreUnavailable),
    rest=("POST /v0/notebooks/open",),
)
class NotebookOpen(Call[Notebook], frozen=True, kw_only=True):
    """Open a file: .ipynb of any version of nbformat, or a script with ``# %%`` cells.

    A file that is open already is the same notebook; where the file has changed since, it is
    read again, cells keep their ids by nbformat's. If both have changed it is FileChanged.
    """

    path: AbsolutePath
    force: Annotated[
        bool, Meta(description="Read it again, and drop what was not saved of the notebook.")
    ] = False


@api(
    "notebook.import",
    Effect.WRITE,
    errors=(NotANotebook, StoreUnavailable),
    rest=("POST /v0/notebooks/import -> /v0/notebooks/{id}",),
)
class NotebookImport(Call[Notebook], frozen=True, kw_only=True):
    """Make a notebook of a file's text, without the file."""

    text: str
    format: NotebookFormat = "ipynb"
    name: NotebookName = "Untitled"


@api("notebook.list", Effect.READ, errors=(*_FIND, InvalidParams), rest=("GET /v0/notebooks",))
class NotebookList(Call[list[Notebook]], frozen=True, kw_only=True):
    """List the notebooks that are open, the latest first, without their cells."""

    before: Annotated[str | None, Meta(description="Only those that come after this id.")] = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


@api("notebook.get", Effect.READ, errors=_FIND, rest=("GET /v0/notebooks/{notebook}",))
class NotebookGet(Call[Notebook], frozen=True, kw_only=True):
    """Return a notebook with its cells."""

    notebook: NotebookRefStr
    outputs: Annotated[bool, Meta(description="The cells' outputs, too.")] = False


@api(
    "notebook.rename",
    Effect.WRITE,
    errors=(*_FIND, StaleEdit, StoreUnavailable),
    rest=("POST /v0/notebooks/{notebook}/rename",),
)
class NotebookRename(Call[Notebook], frozen=True, kw_only=True):
    """Give a notebook another name. Its file stays what it is and where it is."""

    notebook: NotebookRefStr
    name: NotebookName
    if_match: IfMatch | None = None


@api(
    "notebook.edit",
    Effect.WRITE,
    errors=(NotebookNotFound, *_FIND_ERRORS, InvalidParams, StaleEdit, StoreUnavailable),
    rest=("PATCH /v0/notebooks/{notebook}",),
)
class NotebookEdit(Call[Notebook], frozen=True, kw_only=True):
    """Replace a notebook's metadata, or say in which runtime its cells run."""

    notebook: NotebookRefStr
    metadata: dict[str, Any] | None = None
    runtime: Annotated[str, Meta(min_length=1, description="A runtime.")] | None = None
    if_match: IfMatch | None = None


@api(
    "notebook.delete",
    Effect.DESTROY,
    errors=(*_FIND, StaleEdit, NotSaved, StoreUnavailable),
    rest=("DELETE /v0/notebooks/{notebook}",),
)
class NotebookDelete(Call[Nothing], frozen=True, kw_only=True):
    """Close a notebook: it and its cells go. Its file and its executions stay, its runtime runs.

    What its cells said goes from the events, too. ``if_match`` says nothing of edits of cells,
    which leave the notebook's etag; ``if_saved`` does.
    """

    notebook: NotebookRefStr
    if_match: IfMatch | None = None
    if_saved: Annotated[
        bool, Meta(description="Only where its file has all of it; else NotSaved.")
    ] = False


@api(
    "notebook.save",
    Effect.WRITE,
    errors=(*_FIND, InvalidParams, NotANotebook, FileChanged, FileUnusable, StoreUnavailable),
    rest=("POST /v0/notebooks/{notebook}/save",),
)
class NotebookSave(Call[Notebook], frozen=True, kw_only=True):
    """Write a notebook to its file, or to another, which is its file from then on.

    The whole file is replaced at once. One that changed since it was last read or written here,
    and one that is there and was never its, is FileChanged; a read-only one is FileUnusable.
    """

    notebook: NotebookRefStr
    path: AbsolutePath | None = None
    force: Annotated[
        bool, Meta(description="Write over a file that has changed, or is read-only.")
    ] = False


@api(
    "notebook.export",
    Effect.READ,
    errors=(*_FIND, NotANotebook),
    rest=("GET /v0/notebooks/{notebook}/export",),
)
class NotebookExport(Call[Exported], frozen=True, kw_only=True):
    """Return a notebook as the text of a file, as it is now. Its own file is not touched.

    ``format`` is as in runtime.export.
    """

    notebook: NotebookRefStr
    format: Literal["ipynb", "py", "md"] = "ipynb"


@api(
    "notebook.run_all",
    Effect.WRITE,
    errors=(*_RUN_ERRORS, CellNotFound),
    rest=("POST /v0/notebooks/{notebook}/run_all",),
)
class NotebookRunAll(RunParameters[NotebookRun], frozen=True, kw_only=True):
    """Queue the code cells of a notebook, all at once and in order, as one group.

    Cells without source are left out. All is stored before this is answered, and goes on
    whoever hangs up.
    """

    notebook: NotebookRefStr
    cells: Annotated[
        list[str] | None, Meta(description="Only these, by id; still in the notebook's order.")
    ] = None
    stop_on_error: Annotated[
        bool,
        Meta(
            description="A cell that fails cancels what is queued after it, but for one that is "
            "tagged `raises-exception`."
        ),
    ] = True
    group: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="The caller's name for this run. Asked again under it, nothing is "
                "queued a second time: what was is returned.",
            ),
        ]
        | None
    ) = None


@api(
    "notebook.restart_and_run_all",
    Effect.WRITE,
    errors=_RUN_ERRORS,
    rest=("POST /v0/notebooks/{notebook}/restart_and_run_all",),
)
class NotebookRestartAndRunAll(RunParameters[NotebookRun], frozen=True, kw_only=True):
    """Restart the notebook's kernel, or start one, and queue all code cells as one group."""

    notebook: NotebookRefStr
    stop_on_error: bool = True
