"""A state directory of a test's own, and the real daemon in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtimed import paths
from runtimed.client.connecting import CallFailed, dial
from runtimed.client.lines import connect
from tests.harness.processes import left_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtimed.client.lines import LineClient

#: Variables of whoever runs the tests that would change what they see.
_NOT_INHERITED = (
    *("CONDA", "IPYTHON", "JPY_", "JUPYTER", "PYTHON", "RUNTIMED_", "RUNT_", "VIRTUAL_ENV", "XDG_"),
)
_STOP_TIMEOUT_S = 30.0


@dataclass
class State:
    """An isolated user: home, Jupyter directories, state directory and socket.

    Short paths: a Unix socket's is at most 107 bytes.
    """

    root: Path
    env: dict[str, str] = field(init=False)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(_NOT_INHERITED)}
        self.env = kept | {
            "HOME": str(self.home),
            "JUPYTER_RUNTIME_DIR": str(self.root / "jr"),
            "RUNTIMED_KEEPER_LINGER_S": "0.2",
            # Where a user manager is, this is not its business; tests/harness/systemd.py has one.
            "RUNTIMED_MANAGER": "detached",
            "RUNTIMED_SOCKET": str(self.socket),
            "RUNTIMED_STATE_DIR": str(self.dir),
        }

    @classmethod
    def create(cls) -> State:
        """Make the directories."""
        state = cls(Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp")))
        state.home.mkdir()
        state.project.mkdir()
        return state

    @property
    def dir(self) -> Path:
        return self.root / "s"

    @property
    def home(self) -> Path:
        return self.root / "h"

    @property
    def project(self) -> Path:
        """An empty directory: where `runt` is run."""
        return self.root / "p"

    @property
    def socket(self) -> Path:
        return self.root / "r" / "d.sock"

    @property
    def files(self) -> paths.State:
        """The files in the state directory, by name."""
        return paths.State(str(self.dir))

    def logs(self) -> str:
        """Return what daemon and keeper wrote."""
        paths_of_logs = (Path(self.files.daemon_log), Path(self.files.keeper_log))
        found = [
            f"--- {path}\n{path.read_text(errors='replace')}"
            for path in paths_of_logs
            if path.exists()
        ]
        return "\n".join(found)

    @contextmanager
    def connection(self) -> Iterator[LineClient]:
        """Connect to whatever daemon answers. Raises `CallFailed`."""
        path = str(self.socket)
        client = connect(dial(path), path, "tests")
        try:
            yield client
        finally:
            client.close()

    def dispose(self, timeout_s: float = _STOP_TIMEOUT_S) -> None:
        """End everything and remove the directories.

        Raises `AssertionError` if a daemon that answers leaves anything behind. Where none
        answers, the test has killed it: what that left is killed as well.
        """
        try:
            with self.connection() as client:
                client.call("daemon.stop", {"kernels": True})
            allowed = False
        except CallFailed:
            timeout_s = 0.0
            allowed = True
        left = left_after(str(self.dir), timeout_s)
        for child in self.children:
            child.wait()
        shutil.rmtree(self.root, ignore_errors=True)
        assert allowed or not left, f"left behind: {left}"


class Daemon:
    """A real ``python -m runtimed``, and how a test talks to it."""

    def __init__(
        self,
        state: State,
        env: Mapping[str, str] | None = None,
        *,
        arguments: Sequence[str] = (),
    ) -> None:
        self.state = state
        self.env = state.env | dict(env or {})
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> Daemon:
        """Start it, and wait until it says that it is ready."""
        os.makedirs(self.state.dir, mode=0o700, exist_ok=True)
        ready, ready_child = os.pipe()
        try:
            with open(self.state.files.daemon_log, "ab") as log:
                self.process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "runtimed"),
                        *self._arguments,
                        *("--ready-fd", str(ready_child)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=self.env,
                    start_new_session=True,
                    pass_fds=(ready_child,),
                )
            self.state.children.append(self.process)
            os.close(ready_child)
            said = os.read(ready, 16)
        finally:
            os.close(ready)
        assert said == b"ready\n", f"the daemon did not start\n{self.state.logs()}"
        return self

    def call(self, method: str, **params: Any) -> Any:
        """Call one method, on a connection of its own. Raises `CallFailed`."""
        with self.state.connection() as client:
            return client.call(method, params)

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_STOP_TIMEOUT_S)
        self.process = None

    def stop(self, *, kernels: bool = False) -> None:
        """Stop it in order. Raises `AssertionError` if its exit status is not 0."""
        assert self.process is not None
        if kernels:
            self.call("daemon.stop", kernels=True)
        else:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(_STOP_TIMEOUT_S)
        self.process = None
        assert status == 0, f"the daemon ended with {status}\n{self.state.logs()}"

    def dispose(self) -> None:
        """Stop it with its kernels, unless the test has stopped or killed it already."""
        if self.process is not None:
            self.stop(kernels=True)


def runt(
    state: State,
    *args: str,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run ``runt`` as its user would, in the test's project directory unless told otherwise.

    ``env`` is laid over the state's own; without ``stdin`` it reads /dev/null.
    """
    command = [os.path.join(os.path.dirname(sys.executable), "runt"), *args]
    source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(
        command,
        env=state.env | dict(env or {}),
        cwd=cwd or state.project,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **source,
    )
