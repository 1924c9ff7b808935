"""What a fresh daemon says first is what the journals and the processes say."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.daemon import Daemon
from tests.process.daemon.story import note, wait_for

if TYPE_CHECKING:
    from tests.harness.daemon import State

#: A unit that no service manager knows: this keeper can never be started.
NO_KEEPER = {"RUNTIMED_KEEPER": "no-such.service", "PATH": "/nonexistent"}


@pytest.mark.parametrize("has_keeper", [True, False])
def test_what_ended_together_with_everything_is_dead_in_the_first_answer(
    state: State, has_keeper: bool
) -> None:
    """As after `systemctl --user stop runtimed.slice`; a keeper may not even come up again."""
    truth = state.project / "truth"
    daemon = Daemon(state).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")
    code = f"import time\n{note(truth, 'begun')}\ntime.sleep(600)"
    cell = daemon.call("execution.submit", runtime=runtime["id"], code=code)
    wait_for(truth, "begun")
    keeper = daemon.call("daemon.status")["keeper_pid"]
    daemon.kill()
    for pid in (keeper, runtime["pid"]):
        end(pid)
    fresh = Daemon(state, {} if has_keeper else NO_KEEPER).start()
    try:
        with state.connection() as client:
            found: Any = client.call("execution.get", {"execution": cell["id"]})
            died: Any = client.call("runtime.get", {"runtime": runtime["id"]})
        assert (found["status"], died["status"]) == ("kernel_died", "dead")
    finally:
        if has_keeper:
            fresh.dispose()
        else:
            fresh.stop()


def test_a_kernel_that_lives_on_without_a_keeper_is_not_taken_for_dead(state: State) -> None:
    daemon = Daemon(state).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")
    keeper = daemon.call("daemon.status")["keeper_pid"]
    daemon.kill()
    end(keeper)
    alone = Daemon(state, NO_KEEPER).start()
    assert alone.call("runtime.get", runtime=runtime["id"])["status"] == "alive"
    alone.stop()
    again = Daemon(state).start()
    done = again.call("execution.eval", runtime=runtime["id"], code="6 * 7")
    assert done["outputs"][0]["data"]["text/plain"] == "42"
    again.dispose()


def end(pid: int) -> None:
    """Kill a process, and wait until nothing is left of it but at most a zombie."""
    os.kill(pid, signal.SIGKILL)
    status = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 30
    while status.exists() and ") Z" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
