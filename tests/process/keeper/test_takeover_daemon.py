"""Keepers replace one another under a daemon at work: no line is lost, none comes twice."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import (
    final,
    note,
    text,
    wait_for,
    wait_for_output,
    wait_for_status,
    words,
)

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

DEADLINE_S = 60.0
LINES = 200_000
DISPLAYS = 5_000


@pytest.fixture
def runtime(daemon: Daemon) -> Any:
    return daemon.call("runtime.start", kernel_name="python3")


def keeper_pid(daemon: Daemon) -> int | None:
    pid: int | None = daemon.call("daemon.status")["keeper_pid"]
    return pid


def renew(daemon: Daemon) -> int:
    """Have the keeper replace itself; return the pid of the next."""
    before = keeper_pid(daemon)
    assert before is not None
    os.kill(before, signal.SIGHUP)
    deadline = time.monotonic() + DEADLINE_S
    while (now := keeper_pid(daemon)) in (None, before):
        assert time.monotonic() < deadline, daemon.state.logs()
        time.sleep(0.01)
    assert now is not None
    return now


def all_lines(daemon: Daemon, execution: str) -> list[str]:
    """Return all lines of an execution's output, page by page."""
    found: list[str] = []
    while True:
        page = daemon.call("execution.output", execution=execution, cursor=len(found))
        found += page["lines"]
        if not page["lines"]:
            return found


def test_no_line_of_a_storm_is_lost_and_none_comes_twice(daemon: Daemon, runtime: Any) -> None:
    truth = daemon.state.project / "truth"
    printing = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'printing')}\nfor i in range({LINES}): print(i)",
    )
    displaying = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'displaying')}\nfrom IPython.display import publish_display_data\n"
        f"for i in range({DISPLAYS}): publish_display_data({{'text/plain': str(i)}})",
    )
    queued = daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, "queued"))
    wait_for_output(daemon, printing["id"], "0\n")
    pids = {keeper_pid(daemon), *(renew(daemon) for _ in range(3))}
    assert len(pids) == 4
    done = final(daemon, printing["id"])
    assert (done["status"], done["gap"]) == ("done", None)
    assert all_lines(daemon, printing["id"]) == [str(i) for i in range(LINES)]
    done = final(daemon, displaying["id"])
    assert (done["status"], done["gap"]) == ("done", None)
    shown = [output["data"]["text/plain"] for output in done["outputs"]]
    assert shown == [str(i) for i in range(DISPLAYS)]
    assert final(daemon, queued["id"])["status"] == "done"
    assert words(truth) == ["printing", "displaying", "queued"]


def test_what_is_idle_evaluates_afterwards(daemon: Daemon, runtime: Any) -> None:
    daemon.call("execution.eval", runtime=runtime["id"], code="x = 41")
    renew(daemon)
    done = daemon.call("execution.eval", runtime=runtime["id"], code="x + 1")
    assert (done["status"], done["gap"]) == ("done", None)
    assert done["outputs"][0]["data"]["text/plain"] == "42"
    assert daemon.call("runtime.get", runtime=runtime["id"])["pid"] == runtime["pid"]


def test_a_running_and_a_queued_execution_run_once(daemon: Daemon, runtime: Any) -> None:
    truth, go = daemon.state.project / "truth", daemon.state.project / "go"
    code = f"import os, time\n{note(truth, 'begun')}\n"
    code += f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n{note(truth, 'over')}"
    running = daemon.call("execution.submit", runtime=runtime["id"], code=code)
    queued = daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, "queued"))
    wait_for(truth, "begun")
    for _ in range(2):
        renew(daemon)
    go.touch()
    for each in (running, queued):
        done = final(daemon, each["id"])
        assert (done["status"], done["gap"]) == ("done", None)
    assert words(truth) == ["begun", "over", "queued"]


def test_the_kernel_is_asked_once_what_became_of_what_runs(daemon: Daemon, runtime: Any) -> None:
    truth, go = daemon.state.project / "truth", daemon.state.project / "go"
    code = f"{note(truth, 'begun')}\nimport os, time\n"
    code += f"while not os.path.exists({str(go)!r}): time.sleep(0.01)"
    running = daemon.call("execution.submit", runtime=runtime["id"], code=code)
    wait_for(truth, "begun")
    for _ in range(5):
        renew(daemon)
    go.touch()
    assert final(daemon, running["id"])["status"] == "done"
    # What was sent before this one is answered when this one is: it went the same way.
    daemon.call("execution.eval", runtime=runtime["id"], code="1")
    # ipykernel takes two messages with the same signature for a replay, and says so.
    assert daemon.call("runtime.logs", runtime=runtime["id"])["stderr"] == ""


def test_a_question_can_be_answered_afterwards(daemon: Daemon, runtime: Any) -> None:
    code = "name = input('who? ')\nprint('hi', name)"
    cell = daemon.call("execution.submit", runtime=runtime["id"], code=code)
    wait_for_status(daemon, cell["id"], "waiting_input")
    renew(daemon)
    daemon.call("execution.input", execution=cell["id"], value="Ada")
    done = final(daemon, cell["id"])
    assert (done["status"], done["gap"], text(done)) == ("done", None, "hi Ada\n")


#: The kernel drops its question, as libzmq does for one that comes between two keepers.
UNHEARD = """
kernel = get_ipython().kernel
send = kernel.session.send
def heard(stream, kind, *args, **kwargs):
    return None if kind == 'input_request' else send(stream, kind, *args, **kwargs)
kernel.session.send = heard
print('on', flush=True)
print('hi', input('who? '))
"""


def test_a_question_that_nobody_heard_can_be_answered(daemon: Daemon, runtime: Any) -> None:
    cell = daemon.call("execution.submit", runtime=runtime["id"], code=UNHEARD)
    wait_for_output(daemon, cell["id"], "on")
    with pytest.raises(CallFailed, match="is not waiting for input"):
        daemon.call("execution.input", execution=cell["id"], value="Bob")
    renew(daemon)
    daemon.call("execution.input", execution=cell["id"], value="Ada")
    done = final(daemon, cell["id"])
    assert (done["status"], text(done)) == ("done", "on\nhi Ada\n")


def test_an_interrupt_reaches_what_runs(daemon: Daemon, runtime: Any) -> None:
    code = "import time\nprint('on', flush=True)\ntime.sleep(600)"
    cell = daemon.call("execution.submit", runtime=runtime["id"], code=code)
    wait_for_output(daemon, cell["id"], "on")
    renew(daemon)
    daemon.call("execution.interrupt", execution=cell["id"])
    assert final(daemon, cell["id"])["status"] == "interrupted"


def test_a_restart_afterwards_has_the_environment(daemon: Daemon) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3", env={"MARK": "sesame-93"})
    renew(daemon)
    daemon.call("runtime.restart", runtime=runtime["id"])
    code = "import os; print(os.environ['MARK'])"
    assert text(daemon.call("execution.eval", runtime=runtime["id"], code=code)) == "sesame-93\n"


def test_a_kernel_survives_readers_that_come_and_go(daemon: Daemon, runtime: Any) -> None:
    """libzmq 4.3.5 has died of how much room was made for each, a fifth of a second later."""
    truth, over = daemon.state.project / "truth", daemon.state.project / "over"
    info = json.loads(Path(runtime["connection_file"]).read_text())
    separator = "-" if info["transport"] == "ipc" else ":"
    address = f"{info['transport']}://{info['ip']}{separator}{info['iopub_port']}"
    cell = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'begun')}\nimport os\n"
        f"while not os.path.exists({str(over)!r}): print(1)",
    )
    wait_for(truth, "begun")
    context = zmq.Context()
    before = None
    for n in range(60):
        reader = context.socket(zmq.SUB)
        reader.subscribe(b"")
        reader.connect(address)
        assert reader.poll(10_000), f"the kernel is silent after {n} readers"
        if before is not None:
            before.close(linger=0)
        time.sleep(0.15 if n % 3 == 0 else 0.0)  # as long as it takes to make room, or not
        before = reader
    context.destroy(linger=0)
    over.touch()
    assert final(daemon, cell["id"])["status"] == "done"
