"""A scripted service, and `runt` run against it as its user would."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.harness.fake_daemon import Answer, FakeDaemon, fake_daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNT = [sys.executable, "-m", "runt"]


class Serve(Protocol):
    """Start a service with these answers, for `Run` to find."""

    def __call__(self, **answers: Answer) -> FakeDaemon: ...


class Run:
    """Runs `runt` with an environment that has nothing of ours in it but the socket."""

    def __init__(self, socket: str, directory: str) -> None:
        unwanted = ("RUNT_", "RUNTIMED_", "NO_COLOR", "CONDA", "VIRTUAL_ENV")
        kept = {n: v for n, v in os.environ.items() if not n.startswith(unwanted)}
        self.directory = directory
        self.env = kept | {
            "RUNTIMED_CONFIG": os.path.join(directory, "config", "config.toml"),
            "RUNTIMED_SOCKET": socket,
            # No real daemon can start here, whatever a test does to the scripted one.
            "RUNTIMED_STATE_DIR": "/dev/null/none",
            "RUNTIMED_MANAGER": "detached",
            "PYTHONPATH": os.getcwd(),
            "PWD": directory,
        }

    def __call__(
        self,
        *args: str,
        stdin: Any = subprocess.DEVNULL,
        input: str | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return self.program(RUNT, *args, stdin=stdin, input=input, env=env)

    def program(
        self,
        program: list[str],
        *args: str,
        stdin: Any = subprocess.DEVNULL,
        input: str | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run another program than `runt` as it is."""
        given: dict[str, Any] = {"stdin": stdin} if input is None else {"input": input}
        return subprocess.run(
            [*program, *args],
            env=self.env | (env or {}),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=30,
            **given,
        )

    def popen(self, *args: str, **kwargs: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*RUNT, *args], env=self.env, cwd=self.directory, **kwargs)


@pytest.fixture
def directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="rt-", dir="/tmp") as path:
        yield os.path.realpath(path)


@pytest.fixture
def serve(directory: str) -> Iterator[Callable[..., FakeDaemon]]:
    with ExitStack() as stack:

        def start(**answers: Answer) -> FakeDaemon:
            named = {name.replace("__", "."): answer for name, answer in answers.items()}
            return stack.enter_context(fake_daemon(directory, named))

        yield start


@pytest.fixture
def run(directory: str) -> Run:
    return Run(os.path.join(directory, "fake.sock"), directory)
