"""Kernels that somebody else started: by jupyter_client, in a process of its own, as JupyterLab's.

The fixture ``kernel_named`` starts one of the five of the matrix::

    def test_it(daemon, kernel_named):
        kernel = kernel_named("bash")
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jupyter_client.blocking.client import BlockingKernelClient

    from tests.harness.daemon import State

#: Where the programs are that kernelspecs name without a path (python, python3.11).
BIN = os.path.dirname(sys.executable)
#: The kernelspecs of the five kernels that behaviour is tested on.
KERNELS = ("python3", "xpython", "deno", "bash", "ir")
#: What waits for any of them: bash takes 3 s to start on an idle machine.
READY_S = 60.0


def kernel_environment(state: State) -> dict[str, str]:
    """Return the environment of the state's user with the tests' own programs on the PATH."""
    return state.env | {"PATH": f"{BIN}{os.pathsep}{state.env['PATH']}"}


@dataclass
class ForeignKernel:
    """One kernel, the process that owns it, and clients of it."""

    name: str
    owner: subprocess.Popen[str]
    pid: int = 0
    connection_file: Path = Path()
    _clients: list[BlockingKernelClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listen()

    def client(self, *, ready: bool = True) -> BlockingKernelClient:
        """Return a client with a session of its own, as another program would have."""
        from jupyter_client.blocking.client import BlockingKernelClient

        client = BlockingKernelClient(connection_file=str(self.connection_file))
        client.load_connection_file()
        # R answers no heartbeat while it works, and would be taken for dead.
        client.start_channels(hb=False)
        self._clients.append(client)
        if ready:
            client.wait_for_ready(timeout=READY_S)
        return client

    def restart(self) -> None:
        """Have the owner restart it: another process behind the same file and ports."""
        self._tell("restart")

    def interrupt(self) -> None:
        """Have the owner interrupt it, as its kernelspec says."""
        self._tell("interrupt")

    def shutdown(self) -> None:
        """Have the owner end it, and remove its connection file."""
        self._tell("shutdown")

    def kill(self) -> None:
        """SIGKILL the kernel alone: its connection file stays."""
        os.kill(self.pid, signal.SIGKILL)

    def kill_owner(self) -> None:
        """SIGKILL the owner alone: the kernel lives on without one, where it does not watch it."""
        self.owner.kill()
        self.owner.wait()

    def dispose(self) -> None:
        """Stop the clients, the owner and the kernel."""
        for client in self._clients:
            client.stop_channels()
        processes = self._processes()
        if self.owner.poll() is None:
            for process in processes:
                process.resume()
            assert self.owner.stdin is not None
            self.owner.stdin.close()
            try:
                self.owner.wait(READY_S)
            except subprocess.TimeoutExpired:
                self.owner.kill()
                self.owner.wait()
        for pipe in (self.owner.stdin, self.owner.stdout):
            if pipe is not None:
                pipe.close()
        for process in processes:
            if process.is_running():
                process.kill()
        psutil.wait_procs(processes, timeout=READY_S)

    def _processes(self) -> list[psutil.Process]:
        try:
            kernel = psutil.Process(self.pid)
            return [kernel, *kernel.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _tell(self, what: str) -> None:
        assert self.owner.stdin is not None
        self.owner.stdin.write(what + "\n")
        self.owner.stdin.flush()
        self._listen()

    def _listen(self) -> None:
        assert self.owner.stdout is not None
        said = self.owner.stdout.readline()
        assert said, f"{self.name} did not start"
        told = json.loads(said)
        self.pid = told["pid"] or self.pid
        self.connection_file = Path(told["connection_file"] or self.connection_file)


@contextmanager
def foreign_kernel(
    state: State,
    name: str,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    **traits: Any,
) -> Iterator[ForeignKernel]:
    """Start a kernel by its kernelspec's name. ``traits`` are the KernelManager's (``transport``).

    Its connection file is where the state's Jupyter has its runtime directory, and both owner and
    kernel belong to the state. It is running, but may not answer yet.
    """
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.harness.kernel_owner", name, json.dumps(traits)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cwd or state.project,
        env={
            **kernel_environment(state),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **(env or {}),
        },
        text=True,
        start_new_session=True,
    )
    kernel = ForeignKernel(name, owner)
    try:
        yield kernel
    finally:
        kernel.dispose()


class KernelNamed(Protocol):
    """Starts foreign kernels; see `foreign_kernel`."""

    def __call__(
        self,
        name: str,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        **traits: Any,
    ) -> ForeignKernel: ...


@pytest.fixture
def kernel_named(state: State) -> Iterator[KernelNamed]:
    """``kernel_named("bash")`` → a kernel that is not ours, ended with the test."""
    with ExitStack() as kernels:

        def start(name: str, **options: Any) -> ForeignKernel:
            return kernels.enter_context(foreign_kernel(state, name, **options))

        yield start
