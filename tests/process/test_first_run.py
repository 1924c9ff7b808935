"""``make run``: it shows real work, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.processes import left_after

if TYPE_CHECKING:
    from tests.harness.daemon import State

SCRIPT = Path(__file__).parents[2] / "examples" / "first_run.sh"


def start(state: State) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(SCRIPT)],
        env={"HOME": str(state.home), "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_nothing_is_left(output: str) -> None:
    found = re.search(r"^state directory: (\S+)/state$", output, re.MULTILINE)
    assert found
    place = found.group(1)
    # They hold their locks, on which the script waits, until just before they are gone.
    assert not left_after(f"{place}/state")
    assert not os.path.exists(place)


def test_it_evaluates_a_real_cell_and_cleans_up(state: State) -> None:
    run = start(state)
    output, _ = run.communicate()
    assert run.returncode == 0, output
    assert re.search(r"^Hello from Python 3\.\d+\.\d+\n42$", output, re.MULTILINE)
    assert re.search(r"^43$", output, re.MULTILINE)
    assert re.search(r"\bpython3\tpython\t.*\talive\t-$", output, re.MULTILINE)
    assert_nothing_is_left(output)


@pytest.mark.parametrize("last_line", ["socket:", "Hello from"])
def test_interrupted_it_cleans_up(state: State, last_line: str) -> None:
    run = start(state)
    assert run.stdout is not None
    output = ""
    while not output.splitlines()[-1:] or not output.splitlines()[-1].startswith(last_line):
        line = run.stdout.readline()
        assert line, output
        output += line
    run.send_signal(signal.SIGTERM)
    output += run.communicate()[0]
    assert run.returncode == 128 + signal.SIGTERM, output
    assert_nothing_is_left(output)
