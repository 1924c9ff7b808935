"""``runt eval 1+1``, warm, the whole process ÷ ``python -c pass``."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bench.harness import Value, new_daemon, side_by_side
from tests.harness.shell import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator

WARM_UP_ROUNDS = 3
ROUNDS = 40


def measure() -> Iterator[Value]:
    with new_daemon() as daemon:
        state = daemon.state

        def run(*command: str) -> bytes:
            done = subprocess.run(
                command,
                env=state.env,
                cwd=state.project,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
            )
            return done.stdout

        def ours() -> None:
            assert run(f"{BIN}/runt", "eval", "1+1") == b"2\n"

        def theirs() -> None:
            run(sys.executable, "-c", "pass")

        side_by_side(ours, theirs, WARM_UP_ROUNDS)
        a_s, b_s = side_by_side(ours, theirs, ROUNDS)
    yield Value(
        name="runt eval 1+1, whole process",
        ours=a_s * 1e3,
        unit="ms",
        reference=b_s * 1e3,
        of="python -c pass",
        bound=5,
    )
