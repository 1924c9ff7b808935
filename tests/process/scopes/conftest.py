"""A service manager that does what a test says, and a real one with our units in it."""

from __future__ import annotations

import os
import shlex
import socket
from typing import TYPE_CHECKING

import pytest

from tests.harness import daemon as harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.systemd import Manager


class FakeManager:
    """What the daemon sees of a user manager: a socket, and systemd-run and systemctl on PATH.

    ``calls`` are the words that systemd-run was called with.
    """

    def __init__(self, state: harness.State) -> None:
        self.runtime_dir = state.root / "x"
        self.bin = state.root / "bin"
        self.bin.mkdir()
        (self.runtime_dir / "systemd").mkdir(parents=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.runtime_dir / "systemd/private"))
        self._listener.listen()
        self._calls = state.root / "calls"
        self.write("systemctl", "exit 0")
        self.env = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(self.runtime_dir),
        }

    def write(self, name: str, script: str) -> Path:
        """Make a program of what a shell does."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def systemd_run(self, script: str, version: int = 252) -> None:
        """Say what it does, besides telling its version and writing down how it was called."""
        calls = shlex.quote(str(self._calls))
        self.write(
            "systemd-run",
            f'[ "$1" = --version ] && {{ echo "systemd {version} (x)"; exit; }}\n'
            f'printf "%s\\n" "$XDG_RUNTIME_DIR" "$@" "" >>{calls}\n{script}',
        )

    @property
    def calls(self) -> list[list[str]]:
        """Return for each call its XDG_RUNTIME_DIR and its words."""
        text = self._calls.read_text() if self._calls.exists() else ""
        return [call.split("\n") for call in text.split("\n\n") if call]

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def fake(state: harness.State) -> Iterator[FakeManager]:
    fake = FakeManager(state)
    try:
        yield fake
    finally:
        fake.close()


@pytest.fixture
def behind_fake(state: harness.State, fake: FakeManager) -> Iterator[harness.Daemon]:
    """A daemon that takes the fake for the user's manager."""
    daemon = harness.Daemon(state, fake.env).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture
def service(manager: Manager) -> Iterator[Manager]:
    """A user manager in which our units are installed and run."""
    manager.install_units()
    manager.systemctl("start", "runtimed.socket", "runtimed.service")
    yield manager


@pytest.fixture
def start(service: Manager) -> Callable[..., dict[str, str]]:
    """``start()`` begins a kernel in that service and returns its document."""

    def start(*options: str) -> dict[str, str]:
        done = service.runt("start", "--json", "python3", *options)
        assert done.returncode == 0, done.stderr + service.journal()
        document: dict[str, str] = document_of(done.stdout)
        return document

    return start


def document_of(text: str) -> dict[str, str]:
    import json

    found: dict[str, str] = json.loads(text)["runtime"]
    return found
