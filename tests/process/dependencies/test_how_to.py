"""What docs/how-to/environments.md tells a person to type, typed from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.shell import BIN

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "environments.md"


def commands() -> list[tuple[str, str]]:
    """Return the commands of the page, each with what it is shown to print."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.S):
        for command in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, _, shown = command.partition("\n")
            found.append((line, shown))
    return found


def fits(said: str, shown: str) -> bool:
    """Say whether it is what is shown, where an ellipsis stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.split("…"))
    return re.fullmatch(pattern, said, re.S) is not None


def test_every_command_prints_what_is_shown(state: State, daemon: Daemon) -> None:
    env = state.env | {"PATH": f"{BIN}{os.pathsep}{state.env['PATH']}"}
    typed = commands()
    assert len(typed) == PAGE.read_text().count("\n$ ") > 10
    for command, shown in typed:
        done = subprocess.run(
            ["bash", "-c", command],
            env=env,
            cwd=state.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        assert fits(done.stdout, shown), f"{command}\n{done.stdout}"
