"""A clock that is set, or a machine that slept: neither is a reason to call anything dead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.daemon import Daemon
from tests.process.daemon.adoption.waiting import adopted, until

if TYPE_CHECKING:
    from tests.harness.daemon import State
    from tests.harness.foreign import KernelNamed

(LIBRARY,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")


@pytest.mark.parametrize("step", ["+400d", "-400d"])
def test_a_step_of_the_clock_ends_nothing(
    state: State, kernel_named: KernelNamed, step: str
) -> None:
    """Daemon and keeper see the step; only the clock that no one can set goes on as it was."""
    offset = state.root / "offset"
    offset.write_text("+0")
    env = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "RUNTIMED_PROBE_INTERVAL_S": "0.1",
        "RUNTIMED_RESCAN_INTERVAL_S": "0.1",
    }
    theirs = kernel_named("python3")
    daemon = Daemon(state, env).start()
    try:
        there = adopted(daemon, theirs.connection_file)
        ours = daemon.call("runtime.start", kernel_name="python3", env=state.env, idle_stop_s=3600)
        before = daemon.call("runtime.get", runtime=ours["id"])["last_keepalive"]
        offset.write_text(step)
        # Looked at again, by the new time.
        year = before[:4]
        until(
            lambda: daemon.call("runtime.get", runtime=ours["id"])["last_keepalive"][:4] != year,
            "a look after the step",
        )
        for runtime in (there, ours):
            again = daemon.call("runtime.get", runtime=runtime["id"])
            assert (again["status"], again["pid"]) == ("alive", runtime["pid"])
            done = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1")
            assert done["status"] == "done"
    finally:
        daemon.dispose()
