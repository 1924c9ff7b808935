"""Signals, executions and their events on the command line, with real kernels."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

from tests.harness.shell import SHORT_ID, popen

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

# -- signals


def test_ctrl_c_cancels_ours_and_nothing_else(daemon: Daemon, runt: Runt, state: State) -> None:
    runt("eval", "import time")
    running = runt("submit", "time.sleep(30)").stdout.strip()
    queued = popen(state, "eval", "--id", "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "print('never')")
    attached = popen(state, "attach", running, "--json")
    assert attached.stdout is not None
    while "running" not in attached.stdout.readline():
        pass
    while runt("show", "2p1r0s9t", "-q").returncode != 0:
        assert queued.poll() is None
    queued.send_signal(signal.SIGINT)
    stdout, _ = queued.communicate(timeout=20)
    assert (queued.returncode, stdout) == (130, "")
    assert json.loads(runt("show", "2p1r0s9t", "--json").stdout)["execution"]["status"] == (
        "cancelled"
    )
    assert json.loads(runt("show", running, "--json").stdout)["execution"]["status"] == "running"
    attached.send_signal(signal.SIGINT)
    attached.communicate(timeout=20)
    assert attached.returncode == 130
    assert runt("interrupt", running).stdout == f"interrupted {running} (signal)\n"
    assert runt("wait", running).returncode == 130


def test_ctrl_c_interrupts_ours(daemon: Daemon, runt: Runt, state: State) -> None:
    process = popen(state, "eval", "import time; print('on', flush=True); time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "KeyboardInterrupt" in stderr


def test_sigterm_detaches(daemon: Daemon, runt: Runt, state: State) -> None:
    process = popen(state, "eval", "import time; print('on'); time.sleep(1); print('off')")
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.terminate()
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 143
    id = stderr.splitlines()[-1].split()[0]
    assert runt("wait", id).returncode == 0
    assert runt("output", id).stdout == "on\noff\n"


def test_a_new_daemon_goes_on_where_the_old_one_died(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    code = "import time\nfor i in range(200): print(i, flush=True); time.sleep(0.01)"
    process = popen(state, "eval", code)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(20)]
    daemon.kill()
    stdout, _ = process.communicate(timeout=60)
    assert ("".join(lines) + stdout).split() == [str(i) for i in range(200)]
    assert process.returncode == 0


# -- executions


def test_submit_cancel_show(daemon: Daemon, runt: Runt) -> None:
    runt("eval", "import time")
    running = runt("submit", "time.sleep(30)").stdout.strip()
    queued = runt("exec", "print('never')").stdout.strip()
    assert re.fullmatch(SHORT_ID, queued)
    assert runt("cancel", queued).stdout == f"cancelled {queued}\n"
    waited = runt("wait", queued)
    assert (waited.returncode, waited.stdout) == (1, f"{queued} cancelled\n")
    refused = runt("cancel", running)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "is not queued" in refused.stderr
    assert re.search(r"^code +time\.sleep\(30\)$", runt("show", running).stdout, re.MULTILINE)
    runt("interrupt", running)
    assert runt("get-results", queued).stdout == ""


def test_somebody_else_answers(daemon: Daemon, runt: Runt, state: State) -> None:
    process = popen(state, "eval", "--no-stdin", "print('<' + input('name? ') + '>')")
    assert process.stderr is not None
    hint = process.stderr.readline()
    while "waits for input" not in hint:
        hint = process.stderr.readline()
    id = hint.split()[1]
    assert runt("reply", id, "Ann").returncode == 0
    stdout, _ = process.communicate(timeout=20)
    assert stdout == "<Ann>\n"
    assert runt("reply", id, "late").returncode == 4


def test_an_answer_from_a_pipe_and_the_end_of_file(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    first = runt("submit", "print(input())").stdout.strip()
    second = runt("submit", "input()").stdout.strip()
    _until_waiting(state, first)
    assert runt("reply", first, stdin="piped\n").returncode == 0
    assert runt("wait", first).returncode == 0
    assert runt("output", first).stdout == "piped\n"
    _until_waiting(state, second)
    assert runt("reply", second, "--eof").returncode == 0
    assert runt("wait", second).returncode == 1
    assert "EOFError" in runt("output", second).stdout


def _until_waiting(state: State, id: str) -> None:
    """Follow an execution until it asks."""
    attached = popen(state, "attach", id, "--json")
    assert attached.stdout is not None
    while json.loads(attached.stdout.readline())["type"] != "input":
        pass
    attached.terminate()
    attached.communicate(timeout=20)


# -- attach


def test_attach_shows_an_execution_from_its_beginning_and_ends(daemon: Daemon, runt: Runt) -> None:
    id = runt("submit", "print('a'); 1/0").stdout.strip()
    runt("wait", id)
    attached = runt("attach", id)
    assert (attached.returncode, attached.stdout) == (1, "a\n")
    assert "ZeroDivisionError" in attached.stderr
    assert "\x1b[" not in attached.stderr


def test_attach_since_a_cursor_has_everything_after_it(daemon: Daemon, runt: Runt) -> None:
    id = runt("submit", "for i in range(50): print(i, flush=True)").stdout.strip()
    runt("wait", id)
    events = [json.loads(line) for line in runt("attach", id, "--json").stdout.splitlines()]
    assert all(event["schema"] == 1 for event in events)
    assert [e["seq"] for e in events] == sorted({e["seq"] for e in events})
    middle = events[len(events) // 2]
    rest = runt("attach", id, "--json", "--since", middle["cursor"]).stdout.splitlines()
    assert [json.loads(line) for line in rest] == events[len(events) // 2 + 1 :]
    assert runt("attach", id, "--json", "--since", events[-1]["cursor"]).stdout == ""


def test_attach_to_a_runtime_ends_with_it(daemon: Daemon, runt: Runt, state: State) -> None:
    runt("start", "python3", "--name", "lab")
    attached = popen(state, "attach", "lab", "--since", "start")
    assert attached.stdout is not None
    while "alive" not in attached.stdout.readline():
        pass
    runt("eval", "-r", "lab", "print('seen')")
    runt("kill", "lab")
    stdout, _ = attached.communicate(timeout=20)
    assert attached.returncode == 0
    assert "seen\n" in stdout
    # One line for each status: other changes repeat it.
    statuses = [line.split(":")[0].split()[-1] for line in stdout.splitlines()]
    assert statuses == ["queued", "running", "seen", "done", "dead"]
    assert stdout.splitlines()[-1].endswith(" dead")
    again = runt("attach", "lab", "--since", "start")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, stdout.splitlines()[-1])
    assert runt("attach", "lab").stdout == ""
