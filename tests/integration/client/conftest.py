"""A place for a socket and a state directory, with a stand-in for the daemon."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.client import start
from tests.harness.lineserver import Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[3]
FAKE_DAEMON = (sys.executable, str(REPOSITORY / "tests" / "harness" / "daemon_stand_in.py"))


@pytest.fixture
def socket_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the path of a socket in a private directory, which is where it is looked for."""
    directory = Path(tempfile.mkdtemp(prefix="rd-"))
    path = directory / "s"
    monkeypatch.setenv("RUNTIMED_SOCKET", str(path))
    monkeypatch.setenv("RUNTIMED_STATE_DIR", str(directory / "state"))
    monkeypatch.setenv("RUNTIMED_MANAGER", "detached")
    yield path
    shutil.rmtree(directory)


@pytest.fixture
def service(socket_path: Path) -> Iterator[Service]:
    with serving(socket_path, Service()) as service:
        yield service


@pytest.fixture
def fake_daemon(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the fake be what is started; return the file that has a line for each start."""
    monkeypatch.setattr(start, "COMMAND", FAKE_DAEMON)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("FAKE_DAEMON", "serve")
    starts = socket_path.parent / "state" / "starts"
    yield starts
    for line in starts.read_text().splitlines() if starts.exists() else ():
        pid = int(line.split()[0])
        try:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
