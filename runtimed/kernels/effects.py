"""What the intake asks of the actor, once what it took in is committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtimed.store.executions import ExecutionRow


@dataclass(slots=True, frozen=True)
class Connected:
    """A socket set stands. ``same_process``: it is a new set to the process of before."""

    same_process: bool


@dataclass(slots=True, frozen=True)
class Disconnected:
    """A socket set is dead."""

    reason: str


@dataclass(slots=True, frozen=True)
class Exited:
    """The process ended. ``scope`` is the unit that it was in, if it was in one of its own."""

    exit: dict[str, Any]
    pid: int | None = None
    scope: str | None = None


@dataclass(slots=True, frozen=True)
class Answered:
    """The kernel answered a request that is not an execution: msg_type, parent, content."""

    msg_type: str
    parent_id: str
    content: dict[str, Any]


@dataclass(slots=True, frozen=True)
class Finished:
    """An execution is final."""

    row: ExecutionRow


@dataclass(slots=True, frozen=True)
class Unsettled:
    """Of reply and idle, one came; the other may be lost."""

    row: ExecutionRow


@dataclass(slots=True, frozen=True)
class Outspoken:
    """Reply and idle came, of a kernel whose results may come later still."""

    row: ExecutionRow


@dataclass(slots=True, frozen=True)
class InputWanted:
    """An execution asks for input."""

    row: ExecutionRow


Effect = (
    Connected | Disconnected | Exited | Answered | Finished | Unsettled | Outspoken | InputWanted
)
