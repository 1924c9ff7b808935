"""`runt` in a shell, or left running, in the state of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harness.daemon import State

SHORT_ID = r"[0-9a-z]{8}"
BIN = os.path.dirname(sys.executable)


def shell(
    state: State, script: str, *, stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in the test's project, with `runt` on its PATH."""
    env = state.env | {"PATH": f"{BIN}:{state.env['PATH']}"}
    return subprocess.run(
        ["sh", "-c", script],
        env=env,
        cwd=state.project,
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def popen(state: State, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [os.path.join(BIN, "runt"), *args],
        env=state.env,
        cwd=state.project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
