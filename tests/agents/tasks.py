"""The tasks: what an agent is to do, and what it types for that through either door. Data only.

One file a task, in ``tasks/``. Its members:

``title``           what is to be done
``[code]``          pieces of code; ``<<name>>`` stands for one in what is typed
``[files]``         what is in the directory before: text, or ``{ from = "path in tests/" }``
``[[mcp]]``         the steps through MCP, ``[[shell]]`` those in a shell

A step is the agent's, with ``tool`` and ``with`` (its arguments) or with ``type`` (a command line);
or a ``person``'s beside it, a command line that no model reads. Of what comes of it, the agent's:

``says``            what has to be in it for the agent to go on; … is anything, on one line
``says_not``        what must not
``keep``            name → regular expression: what its first group finds is ``<<name>>`` from there
``images``          how many pictures it has
``exit``            the command's exit code; of a tool, whether the answer is an error (1)
``dies``            the agent's process is killed once this file is there; it reads nothing

``<<runtime>>`` is the name of the project's runtime, ``<<door>>`` mcp or shell.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

HERE = Path(__file__).parent / "tasks"
DoorName = Literal["mcp", "shell"]
DOORS: tuple[DoorName, ...] = ("mcp", "shell")


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is there in the tests already."""

    path: Annotated[str, msgspec.Meta(min_length=1)] = msgspec.field(name="from")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is done, and what has to come of it."""

    tool: str | None = None
    arguments: dict[str, Any] = msgspec.field(name="with", default_factory=dict)
    command: str | None = msgspec.field(name="type", default=None)
    person: str | None = None
    says: list[str] = []
    says_not: list[str] = []
    keep: dict[str, str] = {}
    images: int = 0
    exit: int = 0
    dies: str | None = None


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task and its two ways."""

    title: str
    mcp: list[Step]
    shell: list[Step]
    code: dict[str, str] = {}
    files: dict[str, str | Recorded] = {}
    name: str = ""

    def steps(self, door: DoorName) -> list[Step]:
        return self.mcp if door == "mcp" else self.shell


def read(path: Path) -> Task:
    """Return the task of a file."""
    found = msgspec.convert(tomllib.loads(path.read_text()), Task)
    return msgspec.structs.replace(found, name=path.stem)


def tasks() -> list[Task]:
    """Return all of them, by name."""
    return [read(path) for path in sorted(HERE.glob("*.toml"))]
