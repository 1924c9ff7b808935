"""What a check may ask of a kernel, whoever stands between: see `direct` and `held`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

#: An interrupted snippet would run for a minute; anything else answers at once.
ANSWER_S = 30.0


class Unanswered(Exception):
    """The kernel has answered what was asked later, but not this."""


@dataclass
class Shown:
    """One output as it came. ``type`` is Jupyter's message type."""

    type: str
    content: dict[str, Any]


@dataclass
class Executed:
    """What was seen of one execution, up to its end.

    ``status``: ok, error, aborted or died. ``states`` are busy and idle in their order. ``begun``
    says that the kernel announced the code. ``strays`` counts outputs that name no request.
    """

    status: str = ""
    count: int | None = None
    states: list[str] = field(default_factory=list)
    begun: bool = False
    prompts: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    strays: int = 0

    def stream(self, name: str) -> str:
        """Return all that came on one stream."""
        return "".join(
            shown.content["text"]
            for shown in self.shown
            if shown.type == "stream" and shown.content["name"] == name
        )

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        """Return the contents of the outputs of one type."""
        return [shown.content for shown in self.shown if shown.type == type_]


class Evaluator(Protocol):
    """Runs code in a kernel and controls it. Raises `TimeoutError` where no answer comes."""

    def execute(self, code: str, answer: str | None = None) -> Executed:
        """Run code until all of it has come; ``answer`` is given to each question."""

    def interrupt(self, code: str) -> Executed | None:
        """Run code, interrupt it once it has printed "begun"; None where that is not possible."""

    def shutdown(self) -> bool:
        """Ask the kernel to end; tell whether it answered. It has ended in any case."""

    def was_welcomed(self) -> bool:
        """Tell whether an iopub_welcome has come since the connection was made."""


class Messenger(Evaluator, Protocol):
    """Speaks any message of the protocol as well."""

    def ask(self, msg_type: str, **content: Any) -> dict[str, Any]:
        """Return the content of the reply on the shell channel. Raises `Unanswered`."""

    def heartbeat(self) -> bool:
        """Tell whether a ping comes back as it was."""

    def comm(self, target: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Open a comm, send data, close it; return what came back, each with its ``msg_type``."""
