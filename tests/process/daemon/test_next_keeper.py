"""What holds behind the keeper that comes after one that was killed."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import (
    WAIT_S,
    final,
    note,
    text,
    wait_for,
    wait_for_output,
    wait_for_status,
    words,
)
from tests.process.daemon.test_keeper_lost import keeper_pid, kill_keeper

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

#: Computes, in the main thread alone; once ``calls`` is there it calls out, until ``go`` is.
COMPUTING = """
import os, time
{begun}
called = time.monotonic()
while not os.path.exists({go!r}):
    if time.monotonic() - called > 0.1 and os.path.exists({calls!r}):
        called = time.monotonic()
        print("heard?", flush=True)
"""
DISPLAYS = (
    "from IPython.display import display\nfor i in range(8000):\n"
    "    display({'text/plain': str(i)}, raw=True)\n"
    "    if i == 200: %s"
)


@pytest.fixture
def runtime(daemon: Daemon) -> str:
    started: str = daemon.call("runtime.start", kernel_name="python3")["id"]
    return started


@pytest.mark.parametrize("is_busy", [False, True])
def test_it_misses_no_display_while_it_is_stopped(
    daemon: Daemon, runtime: str, is_busy: bool
) -> None:
    """Its queue in the kernel is as roomy as the first one's, also if it came during the cell."""
    truth, go, calls = (daemon.state.project / name for name in ("truth", "go", "calls"))
    code = DISPLAYS % note(truth, "begun")
    if is_busy:
        begun = note(truth, "computing")
        code = COMPUTING.format(begun=begun, go=str(go), calls=str(calls)) + code
    else:
        kill_keeper(daemon)
        daemon.call("execution.eval", runtime=runtime, code="1", wait_s=60)
        time.sleep(0.5)  # the kernel makes room 0.1 s after the last keeper has gone, not sooner
    cell = daemon.call("execution.submit", runtime=runtime, code=code)
    if is_busy:
        wait_for(truth, "computing")
        kill_keeper(daemon)
        # Only through the next one: what is said before that has subscribed is the gap's.
        calls.touch()
        wait_for_output(daemon, cell["id"], "heard?")
        go.touch()
    wait_for(truth, "begun")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    time.sleep(2)  # the two seconds are the point: the kernel goes on meanwhile
    os.kill(keeper, signal.SIGCONT)
    done = final(daemon, cell["id"])
    assert done["status"] == "done"
    shown = [output for output in done["outputs"] if output["output_type"] == "display_data"]
    assert [output["data"]["text/plain"] for output in shown] == [str(i) for i in range(8000)]
    left = "[name for name in dir() if name in ('thread', 'watch', 'make_room', 'ZMQStream')]"
    names = daemon.call("execution.eval", runtime=runtime, code=left)
    assert names["outputs"][0]["data"]["text/plain"] == "[]"


def test_what_the_old_one_never_sent_runs_once_and_is_not_lost(
    daemon: Daemon, runtime: str
) -> None:
    truth = daemon.state.project / "truth"
    for n in range(4):
        keeper = keeper_pid(daemon)
        os.kill(keeper, signal.SIGSTOP)
        cell = daemon.call(
            "execution.submit", runtime=runtime, code=f"{note(truth, str(n))}; 'value'"
        )
        os.kill(keeper, signal.SIGKILL)
        done = final(daemon, cell["id"])
        assert (done["status"], done["gap"], done["reason"]) == ("done", None, None)
        assert done["outputs"][0]["data"]["text/plain"] == "'value'"
        while daemon.call("daemon.status")["keeper_pid"] in (None, keeper):
            time.sleep(0.01)
    assert words(truth) == ["0", "1", "2", "3"]


def test_what_the_old_one_never_sent_has_its_arguments_and_stdin(
    daemon: Daemon, runtime: str
) -> None:
    before = daemon.call("execution.eval", runtime=runtime, code="import sys; sys.argv")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    cells = [
        daemon.call(
            "execution.submit", runtime=runtime, code="import sys; print(input(), sys.argv)",
            stdin=f"line {n}\n", argv=["prog", str(n)], group="both",
        )
        for n in range(2)
    ]  # fmt: skip
    os.kill(keeper, signal.SIGKILL)
    for n, cell in enumerate(cells):
        done = final(daemon, cell["id"])
        assert (done["status"], done["gap"]) == ("done", None)
        assert text(done) == f"line {n} ['prog', '{n}']\n"
    after = daemon.call("execution.eval", runtime=runtime, code="sys.argv")
    assert after["outputs"][0]["data"] == before["outputs"][0]["data"]


def test_what_was_sent_by_a_record_that_cannot_be_read_is_lost_and_not_waited_for(
    daemon: Daemon, runtime: str
) -> None:
    """Neither that it was sent nor how it ended can be read: the keeper knows, and is believed."""
    truth = daemon.state.project / "truth"
    kernel = daemon.call("runtime.get", runtime=runtime)["pid"]
    os.kill(kernel, signal.SIGSTOP)
    cell = daemon.call("execution.submit", runtime=runtime, code=note(truth, "ran"))
    (journal,) = (daemon.state.dir / "journal" / runtime).glob("*.journal")
    deadline = time.monotonic() + 30
    while (place := journal.read_bytes().find(cell["id"].encode())) < 0:
        assert time.monotonic() < deadline
    daemon.kill()
    os.kill(kernel, signal.SIGCONT)
    wait_for(truth, "ran")
    with journal.open("r+b") as file:
        file.seek(place)
        file.write(b"?")
    daemon.start()
    done = final(daemon, cell["id"])
    assert (done["status"], done["gap"]["reason"]) == ("lost", "journal_damaged")
    assert daemon.call("execution.eval", runtime=runtime, code="1")["status"] == "done"
    assert words(truth) == ["ran"]


@pytest.mark.parametrize("verb", ["execution.interrupt", "runtime.stop", "runtime.kill"])
def test_it_does_what_the_old_one_did_not_live_to_do(
    daemon: Daemon, runtime: str, verb: str
) -> None:
    """Asked of a keeper that is stopped, and killed then; nobody has to ask again."""
    truth = daemon.state.project / "truth"
    code = f"import time\n{note(truth, 'begun')}\nwhile True: time.sleep(0.01)"
    cell = daemon.call("execution.submit", runtime=runtime, code=code)
    wait_for(truth, "begun")
    wait_for_status(daemon, cell["id"], "running")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    named = {"execution": cell["id"]} if verb == "execution.interrupt" else {"runtime": runtime}
    with daemon.state.connection() as client, ThreadPoolExecutor() as threads:
        asked = threads.submit(client.call, verb, named)
        # Requests of two connections: until the daemon answers this one, it has not asked.
        daemon.call("daemon.status")
        os.kill(keeper, signal.SIGKILL)
        told = asked.result(WAIT_S)
    if verb == "execution.interrupt":
        assert told["how"] == "signal"
        assert final(daemon, cell["id"])["status"] == "interrupted"
    else:
        assert told["runtime"]["status"] == "dead"
        assert final(daemon, cell["id"])["status"] == "kernel_died"


def test_it_gives_the_answer_that_the_old_one_did_not_live_to_give(
    daemon: Daemon, runtime: str
) -> None:
    cell = daemon.call("execution.submit", runtime=runtime, code="print(input(), input())")
    wait_for_status(daemon, cell["id"], "waiting_input")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    with daemon.state.connection() as client, ThreadPoolExecutor() as threads:
        call = {"execution": cell["id"], "value": "first"}
        asked = threads.submit(client.call, "execution.input", call)
        daemon.call("daemon.status")
        os.kill(keeper, signal.SIGKILL)
        asked.result(WAIT_S)
    wait_for_status(daemon, cell["id"], "waiting_input")
    daemon.call("execution.input", execution=cell["id"], value="second")
    assert text(final(daemon, cell["id"])) == "first second\n"


def test_an_interrupt_right_after_its_end(daemon: Daemon, runtime: str) -> None:
    """Of each verb: nobody is told that there is no keeper while the next one comes."""
    for _ in range(3):
        code = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)"
        cell = daemon.call("execution.submit", runtime=runtime, code=code)
        wait_for_output(daemon, cell["id"], "begun")
        os.kill(keeper_pid(daemon), signal.SIGKILL)
        assert daemon.call("execution.interrupt", execution=cell["id"])["how"] == "signal"
        assert final(daemon, cell["id"])["status"] == "interrupted"


def test_a_start_that_it_did_not_live_to_make_takes_nobodys_name(daemon: Daemon) -> None:
    lived = daemon.call("runtime.start", kernel_name="python3", name="c")
    daemon.call("runtime.kill", runtime="c")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    with daemon.state.connection() as client, ThreadPoolExecutor() as threads:
        call = {"kernel_name": "python3", "name": "c"}
        asked = threads.submit(client.call, "runtime.start", call)
        while not daemon.call("runtime.list"):
            time.sleep(0.01)
        os.kill(keeper, signal.SIGKILL)
        with pytest.raises(CallFailed) as failure:
            asked.result(WAIT_S)
    assert failure.value.name == "KeeperUnavailable"
    assert daemon.call("runtime.restart", runtime="c")["runtime"]["id"] == lived["id"]
