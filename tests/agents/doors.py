"""The two doors to the same runtimes: the tools of `runt mcp`, and `runt` in a shell."""

from __future__ import annotations

import functools
import os
import re
import shlex
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import mcp_types as types
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.harness.mcp_client import LATEST, mcp_client, text_of
from tests.harness.shell import BIN, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from mcp.client.client import Client

    from tests.agents.tasks import DoorName, Step
    from tests.harness.daemon import State

#: Who the agent says it is, through either door.
AGENT = "claude-code"
TIMEOUT_S = 100.0


@dataclass(frozen=True)
class Said:
    """What a model reads of one step; its images count apart."""

    text: str
    images: int
    exit: int


class Door(Protocol):
    """One way in, in a project of its own."""

    name: DoorName
    state: State

    def do(self, step: Step, fill: Fill) -> Said:
        """Do the step as the agent does."""

    def die_in(self, step: Step, fill: Fill, has_begun: Callable[[], None]) -> None:
        """Begin the step, and kill the agent's process once it ``has_begun``."""

    def close(self) -> None:
        """The agent has gone."""


class Fill:
    """Puts what is known for ``<<name>>``: in a shell as one word where that is code."""

    def __init__(self, code: Mapping[str, str], known: dict[str, str]) -> None:
        self._code = code
        self.known = known

    def text(self, text: str, *, is_shell: bool = False) -> str:
        """Return the text with all that it stands for. Raises `KeyError`."""

        def found(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self._code:
                return self.known[name]
            code = self.text(self._code[name])
            return shlex.quote(code) if is_shell else code

        return re.sub(r"<<(\w+)>>", found, text)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a tool's arguments, filled in."""
        return {
            name: self.text(value) if isinstance(value, str) else value
            for name, value in given.items()
        }


class McpDoor:
    """`runt mcp --project DIR`, and the SDK's client, which runs in a thread of its own."""

    name: DoorName = "mcp"

    def __init__(self, state: State) -> None:
        self.state = state
        self._host = ExitStack()
        self._portal: BlockingPortal | None = None
        self._client: Client | None = None

    def do(self, step: Step, fill: Fill) -> Said:
        assert step.tool is not None
        result = self._begin(step.tool, fill.arguments(step.arguments)).result(TIMEOUT_S)
        images = sum(isinstance(each, types.ImageContent) for each in result.content)
        return Said(text_of(result), images, int(bool(result.is_error)))

    def die_in(self, step: Step, fill: Fill, has_begun: Callable[[], None]) -> None:
        assert step.tool is not None
        call = self._begin(step.tool, fill.arguments(step.arguments))
        has_begun()
        with self.state.connection() as client:
            (running,) = client.call("execution.list", {"status": ["running"], "by": AGENT})
        os.kill(running["requested_by"]["pid"], signal.SIGKILL)
        assert call.exception(TIMEOUT_S) is not None
        self.close()

    def close(self) -> None:
        self._client = self._portal = None
        try:
            self._host.close()
        except BaseExceptionGroup:
            pass  # of a server that was killed

    def _begin(self, tool: str, arguments: dict[str, Any]) -> Future[types.CallToolResult]:
        if self._client is None or self._portal is None:
            project = ("--project", str(self.state.project), "--agent", AGENT)
            self._portal = self._host.enter_context(start_blocking_portal())
            self._client = self._host.enter_context(
                self._portal.wrap_async_context_manager(mcp_client(self.state, LATEST, *project))
            )
        call = functools.partial(self._client.call_tool, tool, arguments)
        return self._portal.start_task_soon(call)


class ShellDoor:
    """A shell in the project's directory, with `runt` on its PATH."""

    name: DoorName = "shell"

    def __init__(self, state: State) -> None:
        self.state = state

    def do(self, step: Step, fill: Fill) -> Said:
        assert step.command is not None
        done = shell(self.state, fill.text(step.command, is_shell=True))
        text = done.stdout + done.stderr
        return Said(
            text, len(re.findall(r"^saved \S+-\d+\.\w+$", text, re.MULTILINE)), done.returncode
        )

    def die_in(self, step: Step, fill: Fill, has_begun: Callable[[], None]) -> None:
        assert step.command is not None
        words = shlex.split(fill.text(step.command, is_shell=True))
        words[0] = os.path.join(BIN, words[0])
        with subprocess.Popen(
            words, env=self.state.env, cwd=self.state.project, stdout=subprocess.DEVNULL
        ) as process:
            has_begun()
            process.kill()

    def close(self) -> None:
        return
