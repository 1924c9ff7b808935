"""What an attacker found once: each of these lost something, or hung."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import final, note, text, wait_for, wait_for_status, words
from tests.process.daemon.test_starting import kernelspec

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

PRINTING = "import time\nfor i in range({n}):\n    print(i, flush=True); time.sleep({s})"


@pytest.fixture
def runtime(daemon: Daemon) -> str:
    started: str = daemon.call("runtime.start", kernel_name="python3")["id"]
    return started


def keeper_pid(daemon: Daemon) -> int:
    pid = daemon.call("daemon.status")["keeper_pid"]
    assert isinstance(pid, int)
    return pid


def lines(execution: Any) -> list[int]:
    return [int(line) for line in text(execution).split()]


def test_a_failed_commit_is_not_overtaken_by_another_one(daemon: Daemon, runtime: str) -> None:
    """What was not taken in is not skipped, though somebody else saves the runtime meanwhile."""
    cell = daemon.call("execution.submit", runtime=runtime, code=PRINTING.format(n=900, s=0.01))
    wait_for_status(daemon, cell["id"], "running")
    with apsw.Connection(daemon.state.files.database) as other:
        other.execute("PRAGMA busy_timeout = 10000")
    other.execute("BEGIN IMMEDIATE")
    while "trying again" not in daemon.state.logs():
        time.sleep(0.02)
    other.execute("ROLLBACK")
    other.close()
    daemon.call("runtime.rename", runtime=runtime, name="other")
    daemon.kill()
    daemon.start()
    done = final(daemon, cell["id"])
    assert (done["status"], done["gap"], lines(done)) == ("done", None, list(range(900)))


def test_another_clients_cell_that_ends_without_a_keeper_holds_nobody_up(
    daemon: Daemon, runtime: str
) -> None:
    truth = daemon.state.project / "truth"
    file = daemon.call("runtime.get", runtime=runtime)["connection_file"]
    theirs = BlockingKernelClient(connection_file=file)
    theirs.load_connection_file()
    theirs.start_channels()
    try:
        theirs.wait_for_ready(timeout=30)
        theirs.execute(f"{note(truth, 'on')}\nimport time; time.sleep(1)\n{note(truth, 'off')}")
        wait_for(truth, "on")
        keeper = keeper_pid(daemon)
        os.kill(keeper, signal.SIGSTOP)
        wait_for(truth, "off")
        os.kill(keeper, signal.SIGKILL)
        ours = daemon.call("execution.eval", runtime=runtime, code="6 * 7", wait_s=30)
        assert ours["status"] == "done"
    finally:
        theirs.stop_channels()


def test_a_connection_file_that_was_deleted_is_not_needed(daemon: Daemon, runtime: str) -> None:
    file = Path(daemon.call("runtime.get", runtime=runtime)["connection_file"])
    cell = daemon.call("execution.submit", runtime=runtime, code=PRINTING.format(n=40, s=0.05))
    wait_for_status(daemon, cell["id"], "running")
    file.unlink()
    daemon.kill()
    daemon.start()
    done = final(daemon, cell["id"])
    assert (done["status"], lines(done)) == ("done", list(range(40)))
    after = daemon.call("execution.eval", runtime=runtime, code="6 * 7", wait_s=30)
    assert after["status"] == "done"


def test_a_silent_cell_whose_begin_was_missed_can_be_interrupted(
    daemon: Daemon, runtime: str
) -> None:
    truth = daemon.state.project / "truth"
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    code = f"import time\n{note(truth, 'on')}\ntime.sleep(600)"
    cell = daemon.call("execution.submit", runtime=runtime, code=code)
    os.kill(keeper, signal.SIGCONT)
    wait_for(truth, "on")
    os.kill(keeper, signal.SIGKILL)
    while daemon.call("daemon.status")["keeper_pid"] in (None, keeper):
        time.sleep(0.02)
    daemon.call("execution.interrupt", execution=cell["id"])
    assert final(daemon, cell["id"])["status"] == "interrupted"
    assert words(truth) == ["on"]


def test_a_question_that_was_asked_without_a_keeper_can_be_answered(
    daemon: Daemon, runtime: str
) -> None:
    truth = daemon.state.project / "truth"
    code = f"import time\n{note(truth, 'on')}\ntime.sleep(1)\n{note(truth, 'asks')}\nprint(input())"
    cell = daemon.call("execution.submit", runtime=runtime, code=code)
    wait_for(truth, "on")
    keeper = keeper_pid(daemon)
    os.kill(keeper, signal.SIGSTOP)
    daemon.kill()
    os.kill(keeper, signal.SIGKILL)
    wait_for(truth, "asks")
    time.sleep(0.5)  # the truth is written before it asks; nothing tells that it has
    daemon.start()
    while (daemon.call("execution.get", execution=cell["id"])["gap"] or {}) == {}:
        time.sleep(0.02)
    daemon.call("execution.input", execution=cell["id"], value="Ada")
    done = final(daemon, cell["id"])
    assert (done["status"], text(done)) == ("done", "Ada\n")


def test_two_restarts_of_which_the_first_fails(daemon: Daemon, runtime: str) -> None:
    before = daemon.call("runtime.get", runtime=runtime)["pid"]
    outcomes: list[str] = []

    def restart() -> None:
        try:
            outcomes.append(daemon.call("runtime.restart", runtime=runtime)["runtime"]["status"])
        except CallFailed as failure:
            outcomes.append(failure.name)

    both = [threading.Thread(target=restart) for _ in range(2)]
    for each in both:
        each.start()
    while True:
        now = daemon.call("runtime.get", runtime=runtime)
        if now["status"] == "starting" and now["pid"] not in (None, before):
            break
        if now["status"] == "alive" and now["pid"] != before:
            break
    daemon.call("runtime.kill", runtime=runtime)
    for each in both:
        each.join(60)
    assert len(outcomes) == 2
    if daemon.call("runtime.get", runtime=runtime)["status"] == "dead":
        daemon.call("runtime.restart", runtime=runtime)
    done = daemon.call("execution.eval", runtime=runtime, code="6 * 7", wait_s=30)
    assert done["status"] == "done"


def test_a_start_that_is_stopped_leaves_no_process(daemon: Daemon, tmp_path: Path) -> None:
    """The kernel ignores SIGTERM, and takes its time."""
    pid_file = tmp_path / "pid"
    script = tmp_path / "deaf.sh"
    script.write_text(
        f"trap '' TERM\necho $$ > {pid_file}\nsleep 1\n"
        f"exec {sys.executable} -m ipykernel_launcher -f $1\n"
    )
    kernelspec(daemon.state, "deaf", ["/bin/sh", str(script), "{connection_file}"])
    failed: list[str] = []

    def start() -> None:
        try:
            daemon.call("runtime.start", kernel_name="deaf", env=daemon.env)
        except CallFailed as failure:
            failed.append(failure.message)

    starting = threading.Thread(target=start)
    starting.start()
    while not pid_file.exists() or not pid_file.read_text().strip():
        time.sleep(0.02)
    runtime = daemon.call("runtime.list")[0]["id"]
    daemon.call("runtime.stop", runtime=runtime)
    starting.join(30)
    assert "stopped" in failed[0]
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert daemon.call("runtime.get", runtime=runtime)["status"] == "dead"
    assert daemon.call("runtime.restart", runtime=runtime)["runtime"]["status"] == "alive"
    done = daemon.call("execution.eval", runtime=runtime, code="6 * 7", wait_s=30)
    assert done["status"] == "done"


def test_removing_a_runtime_cancels_what_waits_to_be_carried_over(
    daemon: Daemon, runtime: str
) -> None:
    running = daemon.call("execution.submit", runtime=runtime, code="import time; time.sleep(600)")
    waits = daemon.call("execution.submit", runtime=runtime, code="1", carry_over=True)["id"]
    wait_for_status(daemon, running["id"], "running")
    daemon.call("runtime.kill", runtime=runtime)
    assert daemon.call("execution.get", execution=waits)["status"] == "queued"
    daemon.call("runtime.remove", runtime=runtime)
    assert final(daemon, waits)["status"] == "cancelled"
    daemon.kill()
    daemon.start()
    assert daemon.call("runtime.list", all=True) == []


def test_an_interrupt_storm_ends_what_it_is_meant_for(daemon: Daemon, runtime: str) -> None:
    """Many ask at once; the kernel lives, and nobody hangs."""
    cells = [
        daemon.call("execution.submit", runtime=runtime, code="while True: pass")["id"]
        for _ in range(3)
    ]
    for cell in cells:
        wait_for_status(daemon, cell, "running")
        many = [
            threading.Thread(
                target=daemon.call, args=("execution.interrupt",), kwargs={"execution": cell}
            )
            for _ in range(20)
        ]
        for each in many:
            each.start()
        for each in many:
            each.join(30)
            assert not each.is_alive()
        assert final(daemon, cell)["status"] == "interrupted"
    done = daemon.call("execution.eval", runtime=runtime, code="6 * 7", wait_s=30)
    assert done["status"] == "done"
