"""A kernel with two users: its owner, who is another Jupyter client, and `runt`."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.harness.shell import popen
from tests.process.daemon.adoption.waiting import execution
from tests.process.daemon.story import WAIT_S, note, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State
    from tests.harness.foreign import ForeignKernel


@dataclass
class Shared:
    """The kernel, what we know of it, and its owner's client."""

    state: State
    daemon: Daemon
    runt: Runt
    kernel: ForeignKernel
    runtime: Any
    theirs: BlockingKernelClient

    @property
    def id(self) -> str:
        """The runtime's short id."""
        short: str = self.runtime["short_id"]
        return short

    @property
    def truth(self) -> Path:
        """What was run, as the kernel itself has written it."""
        return self.state.project / "truth"

    def note(self, word: str) -> str:
        """Return code that leaves the word in the file of truth."""
        return note(self.truth, word)

    def gate(self, name: str) -> Path:
        """Return the file that code waits for."""
        return self.state.project / name

    def waiting(self, name: str, *after: str) -> str:
        """Return code that notes its name, waits for the gate of that name, and does the rest."""
        wait = f"while not os.path.exists({str(self.gate(name))!r}): time.sleep(0.01)"
        return "\n".join(["import os, time", self.note(name), wait, *after])

    def theirs_run(self, code: str, began: str) -> str:
        """Have the owner run this; return the request's id once it runs, and we know of it."""
        request: str = self.theirs.execute(code)
        wait_for(self.truth, began)
        execution(self.daemon, self.runtime, code, "running")
        return request

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Hear nothing of the kernel: what is submitted is sent behind what it began meanwhile."""
        assert self.runt("eval", "-r", self.id, "0").returncode == 0  # its shell is known
        keeper = self.daemon.call("daemon.status")["keeper_pid"]
        os.kill(keeper, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(keeper, signal.SIGCONT)

    def reply(self, request: str) -> Any:
        """Wait for the answer to a request of the owner's, and return its content."""
        while True:
            message = self.theirs.get_shell_msg(timeout=WAIT_S)
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def submit(self, code: str) -> str:
        """Have `runt submit` queue this, and return the execution's short id."""
        done = self.runt("submit", "-r", self.id, code)
        assert done.returncode == 0, done.stderr
        id: str = done.stdout.strip()
        return id

    def popen(self, verb: str, *args: str) -> subprocess.Popen[str]:
        """Leave `runt VERB -r ID …` running."""
        return popen(self.state, verb, "-r", self.id, *args)

    def show(self, id: str) -> Any:
        """Return the document that `runt show` has, or None where there is none yet."""
        shown = self.runt("show", id, "--json")
        return json.loads(shown.stdout)["execution"] if shown.returncode == 0 else None
