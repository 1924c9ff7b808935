"""Who called a tool, and what can be asked of the person there while it waits.

A question is answered in one of two ways. Where the protocol lets a server ask, `Caller.ask`
returns the reply. Where it does not, `ask` raises `Asked`: the call ends with the question, and
is made once more with the same arguments, the reply, and what `Asked.resume` said. A tool then
finds `Caller.resume`, and goes on there in place of beginning anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from runtimed.mcp.undoing import Undo


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the person is asked: a line of text, or for a yes."""

    message: str
    kind: Literal["line", "confirmation"] = "line"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person said: ``declined`` where it was no, or nothing."""

    value: str = ""
    declined: bool = False


class Asked(Exception):
    """The call ends with a question; it comes again with the reply."""

    def __init__(self, question: Question, resume: str) -> None:
        super().__init__(question.message)
        self.question = question
        self.resume = resume


class Caller(Protocol):
    """What tools need of whoever calls them."""

    @property
    def can_ask(self) -> bool:
        """Whether the person can be asked."""

    @property
    def wants_progress(self) -> bool:
        """Whether `progress` goes anywhere."""

    @property
    def resume(self) -> str | None:
        """What an earlier round of the same call was at when it asked."""

    async def progress(self, waited_s: float, wait_s: float, message: str) -> None:
        """Say that it goes on."""

    async def ask(self, question: Question, resume: str) -> Reply:
        """Ask the person. Raises `Asked` where that takes another round."""

    def began(self, undo: Undo) -> None:
        """Note what an explicit cancel of the call takes back, in place of what it did so far."""


class Unattended:
    """A caller that hears nothing and can ask nobody."""

    can_ask = False
    wants_progress = False
    resume: str | None = None

    async def progress(self, waited_s: float, wait_s: float, message: str) -> None:
        return

    async def ask(self, question: Question, resume: str) -> Reply:
        return Reply(declined=True)

    def began(self, undo: Undo) -> None:
        return


UNATTENDED = Unattended()
