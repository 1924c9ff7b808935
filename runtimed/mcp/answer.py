"""What a tool answers: blocks of text and images, whatever carries them to a model."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """Text for a model: no ANSI sequences, no base64."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image for a model, in a size that it can take. ``source`` is what it was made from."""

    data: bytes
    mime: str
    source: ImageSource | None = None


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where an image is from: the execution, and the index of the output with its MIME type."""

    execution: str
    output: int
    mime: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool returns. ``execution`` is the id of the one that it is about, if any.

    ``status`` is that execution's, as it was when this was said. ``exit_code`` is what a command
    line makes of it where no status says that. ``notes`` are those of its words that no later
    answer about that execution has.
    """

    blocks: list[Text | Image] = field(default_factory=list)
    is_error: bool = False
    execution: str | None = None
    status: str | None = None
    exit_code: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All its text."""
        return "\n".join(block.text for block in self.blocks if isinstance(block, Text))


class ToolFailure(Exception):
    """A tool did not do what it was asked to; the message is for the model."""

    #: What a command line ends with.
    exit_code = 1


class NotThere(ToolFailure):
    """It is not there, or not to be seen; nobody can tell which."""

    exit_code = 3


def refused(sentence: str, exit_code: int = 1) -> Answer:
    """Return the answer of a tool that could not do it."""
    return Answer([Text(sentence)], is_error=True, exit_code=exit_code)
