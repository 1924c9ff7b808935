"""Interrupting and ending: what was asked for, which rung did it, and what came of it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import apsw
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from runtimed.client.connecting import CallFailed
from tests.harness.foreign import kernel_environment
from tests.process.daemon.story import final, wait_for, wait_for_output, wait_for_status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.daemon import Daemon

BEGUN = "print('begun', flush=True)\n"
#: An extension that lets go of the interpreter lock for nobody, for half a second or so.
HOLDS_LOCK = "import re\nre.match(r'(?:a?){24}a{24}$', 'a' * 23 + 'b')\n"


def start(daemon: Daemon, kernel: str = "python3") -> str:
    env = kernel_environment(daemon.state)
    started: str = daemon.call("runtime.start", kernel_name=kernel, env=env)["id"]
    return started


def submit(daemon: Daemon, runtime: str, code: str) -> str:
    submitted: str = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    return submitted


def begin(daemon: Daemon, runtime: str, code: str) -> str:
    """Submit code, and wait until it says that it has begun."""
    execution = submit(daemon, runtime, code)
    wait_for_output(daemon, execution, "begun")
    return execution


def interrupt(daemon: Daemon, execution: str, **params: Any) -> Any:
    answer = daemon.call("execution.interrupt", execution=execution, **params)
    assert answer["execution"] == execution
    return answer["how"], answer["ended"]


def two(daemon: Daemon, runtime: str) -> None:
    """See that it lives."""
    done = daemon.call("execution.eval", runtime=runtime, code="1 + 1", wait_s=60)
    assert done["outputs"][0]["data"]["text/plain"] == "2"


@pytest.fixture
def runtime(daemon: Daemon) -> str:
    return start(daemon)


# Interrupts


@pytest.mark.parametrize(
    "code",
    [
        BEGUN + "import time; time.sleep(600)",
        BEGUN + "while True: pass",
        BEGUN + "import asyncio; await asyncio.sleep(600)",
        BEGUN + "while True:\n    " + HOLDS_LOCK.replace("\n", "\n    "),
        BEGUN + "input()",
    ],
    ids=["sleep", "tight loop", "await", "extension", "input"],
)
def test_an_interrupt_is_seen_to_end_it(daemon: Daemon, runtime: str, code: str) -> None:
    execution = begin(daemon, runtime, code)
    assert interrupt(daemon, execution, wait_s=60) == ("signal", True)
    assert daemon.call("execution.get", execution=execution)["status"] == "interrupted"
    assert interrupt(daemon, execution) == ("none", True)
    two(daemon, runtime)


def test_code_that_will_not_be_interrupted_is_said_to_go_on(daemon: Daemon, runtime: str) -> None:
    go = daemon.state.project / "go"
    execution = begin(
        daemon,
        runtime,
        f"{BEGUN}import os, time\nwhile not os.path.exists({str(go)!r}):\n"
        "    try: time.sleep(0.01)\n    except KeyboardInterrupt: print('no')",
    )
    assert interrupt(daemon, execution, wait_s=0.5) == ("signal", False)
    assert daemon.call("execution.get", execution=execution)["status"] == "running"
    assert daemon.call("runtime.interrupt", runtime=runtime, wait_s=0) == told(
        "signal", execution, ended=False, status="running"
    )
    go.touch()
    assert final(daemon, execution)["status"] == "done"


#: One that says nothing, and is never done.
NEVER_LETS_GO = "import re; re.match('(a+)+$', 'a' * 60 + 'b')"


def test_code_that_lets_nothing_else_run_is_seen_to_run(daemon: Daemon, runtime: str) -> None:
    """What we start says that it began before it begins; without, some of these never would."""
    for _ in range(8):
        execution = submit(daemon, runtime, NEVER_LETS_GO)
        wait_for_status(daemon, execution, "running")
        assert interrupt(daemon, execution, wait_s=60) == ("signal", True)
        assert daemon.call("execution.get", execution=execution)["status"] == "interrupted"


def test_what_cleans_up_after_an_interrupt_is_not_hit_by_another(
    daemon: Daemon, runtime: str
) -> None:
    truth = daemon.state.project / "truth"
    execution = begin(
        daemon,
        runtime,
        f"{BEGUN}import time\ntry: time.sleep(600)\nexcept KeyboardInterrupt:\n"
        f"    time.sleep(1.5)\n    open({str(truth)!r}, 'w').write('saved\\n')\n    raise",
    )
    assert interrupt(daemon, execution, wait_s=60) == ("signal", True)
    assert daemon.call("execution.get", execution=execution)["status"] == "interrupted"
    wait_for(truth, "saved")


def test_a_subprocess_ends_with_what_waits_for_it(daemon: Daemon, runtime: str) -> None:
    pid_file = daemon.state.project / "pid"
    execution = begin(
        daemon,
        runtime,
        f"{BEGUN}import subprocess\nsubprocess.run(['sh', '-c', "
        f"'echo $$ > {pid_file}; exec sleep 600'])",
    )
    child = psutil.Process(read_pid(pid_file))
    assert interrupt(daemon, execution) == ("signal", True)
    assert final(daemon, execution)["status"] == "interrupted"
    assert gone(child)
    two(daemon, runtime)


@pytest.mark.parametrize(
    ("kernel", "code"),
    [
        ("bash", "echo begun; sleep 600"),
        ("ir", "cat('begun\\n'); flush.console(); Sys.sleep(600)"),
    ],
)
def test_kernels_of_other_languages(daemon: Daemon, kernel: str, code: str) -> None:
    runtime = start(daemon, kernel)
    execution = begin(daemon, runtime, code)
    assert interrupt(daemon, execution, wait_s=30) == ("signal", True)
    after = daemon.call(
        "execution.eval", runtime=runtime, code="echo 2" * (kernel == "bash") or "2"
    )
    assert after["status"] == "done"


@pytest.mark.parametrize(
    ("kernel", "code"),
    [
        ("deno", "console.log('begun'); await new Promise(r => setTimeout(r, 600000))"),
        ("xpython", BEGUN + "import time; time.sleep(600)"),
    ],
)
def test_a_kernel_that_dies_of_it_is_spared_unless_forced(
    daemon: Daemon, kernel: str, code: str
) -> None:
    runtime = start(daemon, kernel)
    execution = begin(daemon, runtime, code)
    # Also by a daemon that did not start it, and has not asked it who it is.
    daemon.kill()
    daemon.start()
    for call in ({"execution": execution}, {"runtime": runtime}):
        with pytest.raises(CallFailed) as refused:
            daemon.call(f"{next(iter(call))}.interrupt", **call)
        assert refused.value.name == "CannotInterrupt"
        assert "force" in refused.value.message
    assert daemon.call("execution.get", execution=execution)["status"] == "running"
    forced = daemon.call("execution.interrupt", execution=execution, force=True, wait_s=30)
    assert (forced["how"], forced["ended"], forced["status"]) == ("signal", True, "kernel_died")
    died = final(daemon, execution)
    assert forced["reason"] == died["reason"]
    assert (died["status"], daemon.call("runtime.get", runtime=runtime)["status"]) == (
        "kernel_died",
        "dead",
    )


def test_an_interrupt_whose_keeper_died_is_delivered_by_the_next(
    daemon: Daemon, runtime: str
) -> None:
    """Marked before it was sent, and taken back, and marked again: once it ends, it shows."""
    execution = begin(daemon, runtime, BEGUN + "import time\ntime.sleep(600)")
    keeper = daemon.call("daemon.status")["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    answers: list[Any] = []
    attempting = threading.Thread(target=lambda: answers.append(interrupt(daemon, execution)))
    attempting.start()
    marked = "SELECT progress_json LIKE '%\"interrupted\":true%' FROM execution"
    while True:
        with apsw.Connection(daemon.state.files.database, apsw.SQLITE_OPEN_READONLY) as database:
            if database.execute(marked).fetchall() == [(1,)]:
                break
    os.kill(keeper, signal.SIGKILL)
    attempting.join(30)
    assert answers == [("signal", True)]
    assert final(daemon, execution)["status"] == "interrupted"


@pytest.fixture
def theirs(daemon: Daemon, runtime: str) -> Iterator[BlockingKernelClient]:
    """Another client of the same kernel."""
    file = daemon.call("runtime.get", runtime=runtime)["connection_file"]
    client = BlockingKernelClient(connection_file=file)
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)
        yield client
    finally:
        client.stop_channels()


def told(how: str, execution: str | None, *, ended: bool = True, status: str | None = None) -> Any:
    return {
        "how": how,
        "execution": execution,
        "ended": ended,
        "status": status,
        "reason": None,
    }


NOTHING = told("none", None)


def test_an_interrupt_of_what_another_client_runs(
    daemon: Daemon, runtime: str, theirs: BlockingKernelClient
) -> None:
    theirs.execute("import time; time.sleep(600)")
    while not (running := daemon.call("execution.list", status=["running"])):
        time.sleep(0.01)
    ours = submit(daemon, runtime, "1 + 1")
    answer = daemon.call("runtime.interrupt", runtime=runtime, wait_s=60)
    assert answer == told("signal", running[0]["id"], status="interrupted")
    assert theirs.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt"
    assert final(daemon, running[0]["id"])["status"] == "interrupted"
    assert final(daemon, ours)["status"] == "done"
    assert daemon.call("runtime.interrupt", runtime=runtime) == NOTHING


def test_an_interrupt_of_what_is_not_recorded(
    daemon: Daemon, runtime: str, theirs: BlockingKernelClient
) -> None:
    daemon.call("runtime.record", runtime=runtime, record="off")
    begun = daemon.state.project / "begun"
    theirs.execute(f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)")
    while not begun.exists():
        time.sleep(0.01)
    while (answer := daemon.call("runtime.interrupt", runtime=runtime, wait_s=60)) == NOTHING:
        pass  # the kernel was quicker than what it said of it
    assert answer == told("signal", None)
    assert theirs.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt"
    assert daemon.call("execution.list") == []
    assert daemon.call("runtime.interrupt", runtime=runtime) == NOTHING


# Ends


def read_pid(path: Path) -> int:
    while not path.exists() or not path.read_text().endswith("\n"):
        time.sleep(0.01)
    return int(path.read_text())


def gone(process: psutil.Process) -> bool:
    """See it end. One that nobody has waited for has ended too: its parent was interrupted."""
    deadline = time.monotonic() + 30
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


FAMILY = """
import subprocess
subprocess.Popen(["sh", "-c", "echo $$ > {0}/child; exec sleep 600"])
subprocess.Popen(["setsid", "sh", "-c", "echo $$ > {0}/own_session; exec sleep 600"])
subprocess.Popen(["sh", "-c", "setsid sh -c 'echo $$ > {0}/grandchild; exec sleep 600' & wait"])
subprocess.run("nohup sh -c 'trap \\"\\" HUP TERM; echo $$ > {0}/orphan; sleep 600; :' & exit",
               shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
subprocess.run("(setsid sh -c 'echo $$ > {0}/daemonised; exec sleep 600' &)",
               shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


@pytest.fixture
def family(daemon: Daemon, runtime: str) -> Iterator[list[psutil.Process]]:
    """Processes below the kernel: its children and theirs, in sessions of their own too."""
    directory = daemon.state.project
    made = daemon.call("execution.eval", runtime=runtime, code=FAMILY.format(directory), wait_s=60)
    assert made["status"] == "done", made
    names = ("child", "own_session", "grandchild", "orphan", "daemonised")
    found = [psutil.Process(read_pid(directory / name)) for name in names]
    yield found
    for each in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def test_kill_takes_the_whole_tree(
    daemon: Daemon, runtime: str, family: list[psutil.Process]
) -> None:
    running = begin(daemon, runtime, BEGUN + "import time; time.sleep(600)")
    queued = submit(daemon, runtime, "1")
    assert daemon.call("runtime.kill", runtime=runtime)["how"] == "SIGKILL"
    assert all(gone(each) for each in family)
    died = final(daemon, running)
    assert (died["status"], died["reason"]) == ("kernel_died", "the kernel was ended by SIGKILL")
    assert final(daemon, queued)["status"] == "cancelled"
    assert daemon.call("execution.list", status=["queued", "running"]) == []
    assert daemon.call("runtime.kill", runtime=runtime)["how"] == "already_dead"


def test_stop_says_which_rung_it_took(daemon: Daemon, runtime: str) -> None:
    assert daemon.call("runtime.stop", runtime=runtime)["how"] == "shutdown_request"
    assert daemon.call("runtime.stop", runtime=runtime)["how"] == "already_dead"


def test_stop_of_one_that_is_deaf(daemon: Daemon, runtime: str) -> None:
    """SIGTERM stays pending in a stopped process."""
    running = begin(daemon, runtime, BEGUN + "while True: pass")
    queued = submit(daemon, runtime, "1")
    os.kill(daemon.call("runtime.get", runtime=runtime)["pid"], signal.SIGSTOP)
    assert daemon.call("runtime.stop", runtime=runtime, grace_s=0.3)["how"] == "SIGKILL"
    assert final(daemon, running)["status"] == "kernel_died"
    assert final(daemon, queued)["status"] == "cancelled"


def test_restart_says_how_the_old_one_ended(daemon: Daemon, runtime: str) -> None:
    first = daemon.call("runtime.restart", runtime=runtime)
    assert (first["how"], first["runtime"]["status"]) == ("shutdown_request", "alive")
    os.kill(first["runtime"]["pid"], signal.SIGSTOP)
    second = daemon.call("runtime.restart", runtime=runtime)
    assert (second["how"], second["runtime"]["id"]) == ("SIGKILL", runtime)
    daemon.call("runtime.kill", runtime=runtime)
    third = daemon.call("runtime.restart", runtime=runtime)
    assert (third["how"], third["runtime"]["status"]) == ("already_dead", "alive")
    two(daemon, runtime)


def test_two_restarts_at_once_each_say_their_own(daemon: Daemon, runtime: str) -> None:
    answers: list[str] = []
    both = [
        threading.Thread(
            target=lambda: answers.append(daemon.call("runtime.restart", runtime=runtime)["how"])
        )
        for _ in range(2)
    ]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
    assert answers == ["shutdown_request"] * 2
    two(daemon, runtime)
