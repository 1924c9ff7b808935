"""A measurement that is ended by SIGTERM leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

FIGURE = """
import sys, time, types
import bench.__main__ as program
from bench.harness import new_state

def measure():
    with new_state() as state:
        print(state.root, flush=True)
        time.sleep(60)
    yield

sys.modules["bench.idle"] = types.SimpleNamespace(measure=measure)
sys.exit(program.main(["idle"]))
"""


def test_what_was_made_is_removed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FIGURE],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        root = Path(process.stdout.readline().strip())
        assert root.is_dir()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not root.exists()
