"""What a fresh daemon says first is what the journals and the processes say."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness.daemon import Daemon
from tests.process.daemon.story import final, note, text, wait_for, wait_for_output

if TYPE_CHECKING:
    from tests.harness.daemon import State

#: A unit that no service manager knows: this keeper can never be started.
NO_KEEPER = {"RUNTIMED_KEEPER": "no-such.service", "PATH": "/nonexistent"}


def test_what_ended_together_with_everything_is_dead_in_the_first_answer(state: State) -> None:
    """As after `systemctl --user stop runtimed.slice`."""
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
    fresh = Daemon(state).start()
    with state.connection() as client:
        found: Any = client.call("execution.get", {"execution": cell["id"]})
        died: Any = client.call("runtime.get", {"runtime": runtime["id"]})
    assert (found["status"], died["status"]) == ("kernel_died", "dead")
    assert found["gap"]["reason"] == "keeper_down"
    fresh.dispose()


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


def test_nobody_is_ended_while_a_keeper_lives_that_does_not_answer(state: State) -> None:
    """How the kernel ended, and what it said last, is with the keeper; its word comes."""
    truth = state.project / "truth"
    daemon = Daemon(state).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")
    code = (
        f"import os, time\nprint('first', flush=True)\n{note(truth, 'begun')}\n"
        f"while not os.path.exists({str(state.project / 'go on')!r}): time.sleep(0.01)\n"
        "for number in range(20): print(number, flush=True)\n"
        "time.sleep(0.5)  # ipykernel sends in a thread of its own\n"
        "os._exit(3)"
    )
    cell = daemon.call("execution.submit", runtime=runtime["id"], code=code)
    wait_for(truth, "begun")
    wait_for_output(daemon, cell["id"], "first")  # so the keeper had it before it is stopped
    keeper = daemon.call("daemon.status")["keeper_pid"]
    daemon.kill()
    os.kill(keeper, signal.SIGSTOP)
    try:
        (state.project / "go on").touch()
        wait_until_ended(runtime["pid"])
        fresh = Daemon(state).start()
        with state.connection() as client:
            first: Any = client.call("execution.get", {"execution": cell["id"]})
        assert (first["status"], text(first).split()) == ("running", ["first"])
    finally:
        os.kill(keeper, signal.SIGCONT)
    done = final(fresh, cell["id"])
    assert done["status"] == "kernel_died"
    assert "status 3" in done["reason"]
    assert text(done).split() == ["first", *map(str, range(20))]
    died = fresh.call("runtime.get", runtime=runtime["id"])
    assert (died["status"], died["exit"]["code"]) == ("dead", 3)
    fresh.dispose()


def end(pid: int) -> None:
    """Kill a process, and wait until nothing is left of it but at most a zombie."""
    os.kill(pid, signal.SIGKILL)
    wait_until_ended(pid)


def wait_until_ended(pid: int) -> None:
    status = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 30
    while status.exists() and ") Z" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
