"""Replay a task through a door, and count what a model has read until it was solved."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.agents.doors import AGENT, Fill, McpDoor, Said, ShellDoor
from tests.agents.tasks import Recorded
from tests.harness.daemon import Daemon, State
from tests.harness.shell import BIN, shell
from tests.harness.uv import install_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.agents.doors import Door
    from tests.agents.tasks import DoorName, Step, Task

TESTS = Path(__file__).parents[1]
WAIT_S = 60.0


@dataclass
class Replayed:
    """What it took. ``texts`` is what was read, call by call."""

    texts: list[str] = field(default_factory=list)
    images: int = 0

    @property
    def calls(self) -> int:
        return len(self.texts)

    @property
    def chars(self) -> int:
        return sum(map(len, self.texts))


class Unsolved(AssertionError):
    """A task could not be gone on with."""


@dataclass
class _Agent(State):
    """The same user, in a project of its own."""

    project_name: str = "p"

    @property
    def project(self) -> Path:
        return self.root / self.project_name


class Desk:
    """One user with a daemon, an agent at each of two doors, and a person at a terminal."""

    def __init__(self, state: State, daemon: Daemon) -> None:
        self.state = state
        self.daemon = daemon
        self.doors: dict[DoorName, Door] = {
            "mcp": McpDoor(self._agent("m")),
            "shell": ShellDoor(self._agent("p")),
        }

    def _agent(self, project: str) -> State:
        """Return the state of an agent that says its name."""
        agent = _Agent(self.state.root, project_name=project)
        agent.project.mkdir(exist_ok=True)
        agent.env = self.state.env | {"RUNT_AGENT": AGENT}
        return agent

    def replay(self, task: Task, name: DoorName) -> Replayed:
        """Do a task from beginning to end. Raises `Unsolved`."""
        door = self.doors[name]
        self._lay_out(task, door.state.project)
        fill = Fill(task.code, {"door": name, "project": str(door.state.project)})
        done = Replayed()
        try:
            for number, step in enumerate(task.steps(name), 1):
                self._do(step, door, fill, done, f"{task.name}, step {number} of {name}")
        finally:
            self._clear_away()
        return done

    def _do(self, step: Step, door: Door, fill: Fill, done: Replayed, where: str) -> None:
        if step.person is not None:
            self._person(step, fill, where)
        elif step.dies is not None:
            begun = door.state.project / step.dies
            begun.unlink(missing_ok=True)
            door.die_in(step, fill, lambda: _wait_for(begun))
            done.texts.append("")
        else:
            said = door.do(step, fill)
            done.texts.append(said.text)
            done.images += said.images
            _check(step, fill, said, where)

    def _clear_away(self) -> None:
        """End what a task has left running: the next one is in the same runtime."""
        unfinished = ["queued", "running", "waiting_input"]
        for execution in self.daemon.call("execution.list", status=unfinished, by=AGENT):
            self.daemon.call("execution.interrupt", execution=execution["id"], force=True)

    def _lay_out(self, task: Task, project: Path) -> None:
        for name, content in task.files.items():
            if isinstance(content, Recorded):
                shutil.copyfile(TESTS / content.path, project / name)
            else:
                (project / name).write_text(content)

    def _person(self, step: Step, fill: Fill, where: str) -> None:
        assert step.person is not None
        done = shell(self.state, fill.text(step.person, is_shell=True))
        said = Said(done.stdout + done.stderr, 0, done.returncode)
        _check(step, fill, said, f"{where} (the person)")


@contextmanager
def new_desk() -> Iterator[Desk]:
    """Start a daemon of an isolated user, and end all at the end."""
    state = State.create()
    try:
        uv = install_uv(state.root / "uv")
        state.env["PATH"] = f"{BIN}:{uv.parent}:{state.env['PATH']}"
        daemon = Daemon(state).start()
        desk = Desk(state, daemon)
        try:
            yield desk
        finally:
            for door in desk.doors.values():
                door.close()
            daemon.dispose()
    finally:
        state.dispose()


def _check(step: Step, fill: Fill, said: Said, where: str) -> None:
    """Look whether it says what it takes to go on; keep what later steps need."""
    for wanted in step.says:
        if not _is_in(fill.text(wanted), said.text):
            raise Unsolved(f"{where}: {fill.text(wanted)!r} is not said\n{said.text}")
    for unwanted in step.says_not:
        if _is_in(fill.text(unwanted), said.text):
            raise Unsolved(f"{where}: {unwanted!r} is said\n{said.text}")
    if said.exit != step.exit:
        raise Unsolved(f"{where}: exit {said.exit}, not {step.exit}\n{said.text}")
    if said.images != step.images:
        raise Unsolved(f"{where}: {said.images} images, not {step.images}\n{said.text}")
    for name, pattern in step.keep.items():
        found = re.search(pattern, said.text, re.MULTILINE)
        if found is None:
            raise Unsolved(f"{where}: no {name} ({pattern!r})\n{said.text}")
        fill.known[name] = found[1]


def _is_in(wanted: str, text: str) -> bool:
    return re.search(".*".join(map(re.escape, wanted.split("…"))), text) is not None


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} never came"
        time.sleep(0.01)
