"""A process of its own that logs: its stderr is what this is about."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """
import os, sys
from runtimed.logs.entry import Priority, Role
from runtimed.logs.files import RotatedFile
from runtimed.logs.journald import Journal
from runtimed.logs.log import Log, place_of, standard_error
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="rl-", dir="/tmp") as directory:
        yield Path(directory)


def logging_process(script: str, *args: str | Path, **more: Any) -> subprocess.Popen[bytes]:
    """Start a process that runs the script, with the names of `runtimed.logs` at hand."""
    command = [sys.executable, "-c", _HEAD + script, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, **more)
