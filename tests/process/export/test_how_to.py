"""What docs/how-to/export.md tells a person to type, typed from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.shell import BIN

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "export.md"
#: Said where the machine has no Python of the user's own for kernels.
NOTICE = "runt: using runtimed's own Python"


def commands() -> list[tuple[str, str]]:
    """Return the commands of the page, each with what it is shown to print."""
    found = []
    for block in re.findall(r"^(`{3,})console\n(.*?)^\1\n", PAGE.read_text(), re.S | re.M):
        for command in re.split(r"^\$ ", block[1], flags=re.M)[1:]:
            line, _, shown = command.partition("\n")
            found.append((line, shown))
    return found


def test_every_command_prints_what_is_shown(state: State, daemon: Daemon) -> None:
    env = state.env | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    typed = commands()
    assert len(typed) == PAGE.read_text().count("\n$ ")
    for command, shown in typed:
        done = subprocess.run(
            ["bash", "-c", command],
            env=env,
            cwd=state.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        lines = done.stdout.splitlines(keepends=True)
        assert "".join(line for line in lines if not line.startswith(NOTICE)) == shown, command
