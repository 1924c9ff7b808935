"""What pages of docs/how-to show is what happens: their commands in one shell, in a new project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

PAGES = [
    Path(__file__).parents[2] / "docs" / "how-to" / name
    for name in ("curl.md", "notebooks.md", "shell-scripts.md")
]
BLOCK = re.compile(r"^(`{3,})console\n(.*?)^\1\n", re.DOTALL | re.MULTILINE)
#: Printed before each command, so that what each prints can be told apart.
MARK = "---8<---"


def commands(page: Path) -> tuple[list[str], list[str]]:
    """Return all commands of the page, and what each is shown to print."""
    typed: list[str] = []
    shown: list[str] = []
    for line in "".join(block for _, block in BLOCK.findall(page.read_text())).splitlines():
        if line.startswith("$ "):
            typed.append(line[2:])
            shown.append("")
        elif line.startswith("> "):
            typed[-1] += f"\n{line[2:]}"
        else:
            shown[-1] += f"{line}\n"
    return typed, shown


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_page
def test_the_page_is_read_whole(page: Path) -> None:
    typed, _ = commands(page)
    assert len(typed) == page.read_text().count("\n$ ")


@each_page
def test_every_command_prints_what_is_shown(state: State, daemon: Daemon, page: Path) -> None:
    project = state.root / "demo"
    (project / ".git").mkdir(parents=True)
    typed, shown = commands(page)
    script = "".join(f"echo '{MARK}'\n{command}\n" for command in typed)
    folder = os.path.dirname(sys.executable)
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        env={**state.env, "PATH": f"{folder}:{state.env['PATH']}"},
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "runtimed's own Python" not in line]
    assert said == []
    printed = done.stdout.split(f"{MARK}\n")[1:]
    assert dict(zip(typed, printed, strict=False)) == dict(zip(typed, shown, strict=True))
