"""What is left when the keeper, or the kernel, goes away; and what a stopped daemon misses."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.daemon.story import final, note, text, wait_for, wait_for_status, words

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


@pytest.fixture
def runtime(daemon: Daemon) -> Any:
    return daemon.call("runtime.start", kernel_name="python3")


def keeper_pid(daemon: Daemon) -> int:
    pid = daemon.call("daemon.status")["keeper_pid"]
    assert isinstance(pid, int)
    return pid


def kill_keeper(daemon: Daemon) -> None:
    """SIGKILL the keeper, and wait until another one is at work."""
    before = keeper_pid(daemon)
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while daemon.call("daemon.status")["keeper_pid"] in (None, before):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_keeper_killed_in_the_middle_of_a_cell(daemon: Daemon, runtime: Any) -> None:
    truth = daemon.state.project / "truth"
    daemon.call("execution.eval", runtime=runtime["id"], code="x = 41")
    cell = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code="import time\nfor i in range(200):\n    print(i, flush=True)\n"
        f"    if i == 50: {note(truth, 'begun')}\n    time.sleep(0.02)\nx += 1",
    )
    queued = daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, "queued"))
    wait_for(truth, "begun")
    kill_keeper(daemon)
    done = final(daemon, cell["id"])
    assert done["status"] == "done"
    assert done["gap"]["reason"] == "keeper_down"
    assert done["gap"]["from_at"] < done["gap"]["to_at"]
    printed = [int(line) for line in text(done).split()]
    assert printed == sorted(set(printed)), "a line came twice, or out of order"
    assert printed[:51] == list(range(51))
    assert printed[-1] == 199
    assert final(daemon, queued["id"])["status"] == "done"
    assert words(truth) == ["begun", "queued"]
    x = daemon.call("execution.eval", runtime=runtime["id"], code="x")
    assert x["outputs"][0]["data"]["text/plain"] == "42"
    assert daemon.call("runtime.get", runtime=runtime["id"])["pid"] == runtime["pid"]
    # Nothing was asked twice: ipykernel would call that a replay.
    assert daemon.call("runtime.logs", runtime=runtime["id"])["stderr"] == ""


def test_keeper_killed_twice_in_one_cell(daemon: Daemon, runtime: Any) -> None:
    """The second gap replaces nothing of the first; what is printed in between is there."""
    truth, go_on = daemon.state.project / "truth", daemon.state.project / "go on"
    cell = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"import os, time\n{note(truth, 'begun')}\nprint('a', flush=True)\n"
        f"while not os.path.exists({str(go_on)!r}): time.sleep(0.02); print('.', flush=True)",
    )
    wait_for(truth, "begun")
    for number in (1, 2):
        kill_keeper(daemon)
        while number > len(parts(daemon.call("execution.get", execution=cell["id"])["gap"])):
            time.sleep(0.02)
    go_on.touch()
    done = final(daemon, cell["id"])
    first, second = parts(done["gap"])
    assert {part["reason"] for part in (first, second)} == {"keeper_down"}
    assert first["from_at"] < first["to_at"] <= second["from_at"] < second["to_at"]
    assert (done["gap"]["from_at"], done["gap"]["to_at"]) == (first["from_at"], second["to_at"])
    assert daemon.call("execution.output", execution=cell["id"], tail=1)["gap"] == done["gap"]


def parts(gap: Any) -> list[Any]:
    """Return the losses that a gap consists of."""
    return [] if gap is None else gap["parts"] or [gap]


def test_keeper_killed_in_the_middle_of_an_input(daemon: Daemon, runtime: Any) -> None:
    cell = daemon.call(
        "execution.submit", runtime=runtime["id"], code="name = input('who? ')\nprint('hi', name)"
    )
    waiting = wait_for_status(daemon, cell["id"], "waiting_input")
    assert waiting["input"] == {"prompt": "who? ", "password": False, "request": "1"}
    kill_keeper(daemon)
    daemon.call("execution.input", execution=cell["id"], value="Ada")
    done = final(daemon, cell["id"])
    assert done["status"] == "done"
    assert text(done) == "hi Ada\n"
    assert done["gap"]["reason"] == "keeper_down"


def test_cell_that_ends_while_the_keeper_is_away(daemon: Daemon, runtime: Any) -> None:
    """Its reply went nowhere: that it ended is proven by a barrier, how it ended is not known."""
    truth = daemon.state.project / "truth"
    cell = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'begun')}\nimport time; time.sleep(1)\n{note(truth, 'ended')}",
    )
    wait_for(truth, "begun")
    # Without a daemon nobody starts another keeper meanwhile.
    keeper = keeper_pid(daemon)
    daemon.kill()
    os.kill(keeper, signal.SIGKILL)
    wait_for(truth, "ended")
    daemon.start()
    done = final(daemon, cell["id"])
    assert done["status"] == "lost"
    assert "not known" in done["reason"]
    assert done["gap"]["reason"] == "keeper_down"
    after = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1")
    assert after["outputs"][0]["data"]["text/plain"] == "2"
    assert words(truth) == ["begun", "ended"]


@pytest.mark.parametrize("end", ["SIGKILL", "restart"])
def test_kernel_ended_with_work_in_flight_and_queued(
    daemon: Daemon, runtime: Any, end: str
) -> None:
    """Nothing of ours runs in the new process, but what asked to be carried over."""
    truth = daemon.state.project / "truth"
    running = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'begun')}\nimport time; time.sleep(600)",
    )
    queued = [
        daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, f"q{i}"))
        for i in range(3)
    ]
    carried = daemon.call(
        "execution.submit", runtime=runtime["id"], code=note(truth, "carried"), carry_over=True
    )
    wait_for(truth, "begun")
    if end == "SIGKILL":
        os.kill(runtime["pid"], signal.SIGKILL)
        wait_for_status(daemon, running["id"], "kernel_died")
        dead = daemon.call("runtime.get", runtime=runtime["id"])
        assert (dead["status"], dead["exit"]["signal"]) == ("dead", signal.SIGKILL)
        assert "SIGKILL" in daemon.call("execution.get", execution=running["id"])["reason"]
    again = daemon.call("runtime.restart", runtime=runtime["id"])["runtime"]
    assert again["status"] == "alive"
    assert again["incarnation"] > runtime["incarnation"]
    assert again["pid"] != runtime["pid"]
    assert again["connection_file"] == runtime["connection_file"]
    assert final(daemon, running["id"])["status"] == "kernel_died"
    for each in queued:
        ended = final(daemon, each["id"])
        assert ended["status"] == "cancelled"
        assert ended["reason"]
    assert final(daemon, carried["id"])["status"] == "done"
    assert words(truth) == ["begun", "carried"]
    alive = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1")
    assert alive["outputs"][0]["data"]["text/plain"] == "2"


def test_journal_goes_on_while_the_daemon_is_stopped(daemon: Daemon, runtime: Any) -> None:
    """A storm for as long as the daemon is stopped: the keeper takes it, the daemon catches up."""
    truth = daemon.state.project / "truth"
    cell = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code="import time\nend = time.monotonic() + 30\ni = 0\n"
        "while time.monotonic() < end:\n    print('x' * 100, i, flush=True)\n    i += 1\n"
        "    if i % 50 == 0: time.sleep(0.01)\n"
        f"{note(truth, 'ended')}\ni",
    )
    journal = daemon.state.dir / "journal" / runtime["id"]
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        sizes = []
        while "ended" not in words(truth):
            time.sleep(0.5)
            sizes.append(sum(file.stat().st_size for file in journal.iterdir()))
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    assert sizes[-1] > sizes[0] > 0
    done = final(daemon, cell["id"])
    assert (done["status"], done["gap"]) == ("done", None)
    count = int(done["outputs"][-1]["data"]["text/plain"])
    total = daemon.call("execution.output", execution=cell["id"], lines=1)["total_lines"]
    assert total == count + 1
    last = daemon.call("execution.output", execution=cell["id"], tail=2)["lines"]
    assert last == [f"{'x' * 100} {count - 1}", str(count)]


def test_keeper_stopped_during_a_storm_of_displays(daemon: Daemon, runtime: Any) -> None:
    """All 8,000 are there, or the gap says exactly how many are not."""
    truth = daemon.state.project / "truth"
    cell = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code="from IPython.display import display\nfor i in range(8000):\n"
        "    display({'text/plain': str(i)}, raw=True)\n"
        f"    if i == 200: {note(truth, 'begun')}",
    )
    wait_for(truth, "begun")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    time.sleep(2)
    os.kill(keeper, signal.SIGCONT)
    done = final(daemon, cell["id"])
    shown = [int(output["data"]["text/plain"]) for output in done["outputs"]]
    assert shown == sorted(set(shown))
    missing = 8000 - len(shown)
    assert missing == (done["gap"]["count"] if done["gap"] else 0)
    assert done["status"] == "done"


def test_a_lost_connection_to_a_living_kernel_is_made_anew(daemon: Daemon, runtime: Any) -> None:
    """Its shell socket is closed by the kernel's own code: a new incarnation of the sockets."""
    before = daemon.call("runtime.get", runtime=runtime["id"])["incarnation"]
    drop = (
        "import socket, os\n"
        "for fd in os.listdir('/proc/self/fd'):\n"
        "    try: s = socket.socket(fileno=os.dup(int(fd)))\n"
        "    except OSError: continue\n"
        "    try:\n"
        "        if s.family == socket.AF_UNIX and str(s.getsockname()).endswith('-2'):\n"
        "            s.getpeername(); s.shutdown(socket.SHUT_RDWR)\n"
        "    except OSError: pass\n"
        "    s.close()\n"
    )
    daemon.call("execution.submit", runtime=runtime["id"], code=drop)
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"since": "start", "types": ["runtime"]})
        for notification in client.notifications():
            if notification["params"]["data"]["incarnation"] > before:
                break
    done = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1", wait_s=30)
    assert done["outputs"][0]["data"]["text/plain"] == "2"
    assert daemon.call("runtime.get", runtime=runtime["id"])["pid"] == runtime["pid"]
