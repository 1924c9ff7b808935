"""An execution's outputs as one text that fits: for models, and for people who do not want all."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import AmbiguousReference, ExecutionNotFound, StoreUnavailable
from runtimed.api.executions import ExecutionRefStr  # noqa: TC001 - msgspec reads it
from runtimed.api.types import Document, ExecutionStatus, Gap, Input, OutputsRemoved

TextForm = Literal["text", "markdown"]
Traceback = Literal["trimmed", "full"]
MaxChars = Annotated[
    int, Meta(ge=200, le=1_000_000, description="Characters that the text has at most.")
]


class TextOptions(Struct, frozen=True, omit_defaults=True):
    """What is asked of a document as text, in the query of an HTTP request.

    Where no number is given, an execution has 8,000 characters, a cell all its source and 8,000
    characters of outputs, and a notebook all its sources, with 2,000 characters of each cell's
    outputs unless ``outputs`` is false.
    """

    max_chars: (
        Annotated[int, Meta(ge=200, le=1_000_000, description="Of a text: its characters at most.")]
        | None
    ) = None
    traceback: Annotated[
        Traceback, Meta(description="In a text. trimmed: the frames that matter; full: all.")
    ] = "trimmed"


class ImageRef(Document):
    """An image among the outputs: ``number`` is what the text calls it.

    ``output`` is the index of its output, as in ``execution.get``; width and height are in pixels.
    A large one is in ``blob`` (SHA-256, for `blob.get`), any other in ``data`` (base64; of an SVG,
    its text). With neither, there was no room for it in this answer: ask with its ``output`` as
    ``since_output``.
    """

    number: int
    output: int
    mime: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    blob: str | None = None
    data: str | None = None


class Raised(Document):
    """What the code has raised."""

    ename: str
    evalue: str


class Rendered(Document):
    """What an execution has put out so far, as text within a budget.

    ``total_chars`` and ``total_lines`` are those of the text if nothing had been left out;
    ``omitted`` says in words what was. ``outputs`` is how many there are: as ``since_output``, what
    comes next is all that is shown. `gap`, `reason` and `input` are the execution's.
    """

    execution: str
    status: ExecutionStatus
    text: str
    is_complete: bool
    total_chars: int
    total_lines: int
    images: list[ImageRef]
    omitted: list[str]
    outputs: int
    error: Raised | None
    gap: Gap | None
    reason: str | None
    input: Input | None
    outputs_removed: OutputsRemoved | None = None


@api(
    "execution.render",
    Effect.READ,
    errors=(ExecutionNotFound, AmbiguousReference, StoreUnavailable),
    rest=("GET /v0/executions/{execution}/text",),
)
class ExecutionRender(Call[Rendered], frozen=True, kw_only=True):
    """Return what an execution has put out, as one text that fits into a budget.

    Long outputs are their head and tail, with what is missing counted; colours are removed,
    progress bars are their last state, repeated lines are counted, tables, plots and JSON have a
    short form. Images are beside it. With ``wait_s`` it first waits for the end, at most so long.
    """

    execution: ExecutionRefStr
    max_chars: MaxChars = 8000
    form: TextForm = "text"
    traceback: Annotated[
        Traceback,
        Meta(description="trimmed: the frames that matter; full: as it was printed."),
    ] = "trimmed"
    more: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description="The command or call that the text names as the way to what was left "
                "out; null: `runt output`.",
            ),
        ]
        | None
    ) = None
    more_traceback: (
        Annotated[
            str,
            Meta(max_length=200, description="The same for all frames of a traceback; null: more."),
        ]
        | None
    ) = None
    more_values: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description="The same for what is not text: tables, plots, JSON; null: the "
                "command of `runt` that prints them.",
            ),
        ]
        | None
    ) = None
    since_output: Annotated[
        int, Meta(ge=0, description="Only from this output on, counted from 0.")
    ] = 0
    wait_s: (
        Annotated[
            float,
            Meta(ge=0, description="Seconds to wait at most until it is final; null: until it is."),
        ]
        | None
    ) = 0.0
