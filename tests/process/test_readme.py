"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runt import render

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
#: Short ids differ.
VARYING = re.compile(r"\b[0-9a-hjkmnp-tv-z]{8}\b|~/\S+|/\S+\.json")


def steps(block: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines that it is shown to print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].count("'") % 2:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        else:
            found[-1][1].append(line)
    return found


def alike(line: str) -> str:
    return VARYING.sub("…", line).strip()


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_console(state: State, daemon: Daemon, number: int) -> None:
    """The commands of a block, in one shell, one after the other, in a project called demo."""
    project = state.root / "demo"
    (project / ".git").mkdir(parents=True)
    if number:
        run(state, project, "runt eval 1")  # the blocks tell one story
    names: dict[str, str] = {}
    for command, shown in steps(BLOCKS[number]):
        command = re.sub(r"\b[0-9a-z]{8}\b", lambda m: names.get(m[0], m[0]), command)
        printed = run(state, project, command)
        if "runt ps" in command:
            assert printed[0].split("\t")[:3] == ["ID", "Name", "Kernel Name"]
            assert len(printed) == len(shown)
            rows = [re.split(r" {2,}", line.strip()) for line in shown]
            assert rows[0] == printed[0].split("\t")
            runtimes = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
            columns = [(name, itemgetter(name)) for name in rows[0]]
            # As a terminal has it; here it is a pipe that it is printed to.
            assert shown == render.table(runtimes, columns).splitlines()
            continue
        if shown:
            assert [alike(line) for line in printed] == [alike(line) for line in shown], command
        for theirs, ours in zip(shown, printed, strict=False):
            names.update(zip(ids(theirs), ids(ours), strict=False))


def ids(line: str) -> list[str]:
    return re.findall(r"\b[0-9a-hjkmnp-tv-z]{8}\b", line)


def run(state: State, project: Path, command: str) -> list[str]:
    """Run a command in bash, and return the lines of what a terminal would show."""
    folder = os.path.dirname(sys.executable)
    variables = project / ".variables"
    script = (
        f"[ -f {variables} ] && . {variables}\n{command}\ndeclare -p id > {variables} 2>/dev/null"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**state.env, "PATH": f"{folder}:{state.env['PATH']}"},
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if "runtimed's own Python" not in line]
