"""`runt eval` against a scripted service: signals, a stdout that closes, and stdin."""

from __future__ import annotations

import signal
import subprocess
import threading
from typing import Any

import pytest

from tests.harness.fake_daemon import Connection, HangUp, Refuse
from tests.harness.script import end, out, running, value, wait_for
from tests.unit.runt.conftest import RUNT, Run, Serve

# -- signals


class Held:
    """An execution that runs until it is interrupted."""

    def __init__(self, obeys: bool = True) -> None:
        self.started = threading.Event()
        self.interrupted: list[str] = []
        self._obeys = obeys
        self.answers: dict[str, Any] = {
            "execution__submit": running(out("running\n"), lambda c: self.started.set()),
            "execution__interrupt": self._interrupt,
        }

    def _interrupt(self, connection: Connection, params: dict[str, Any]) -> Any:
        self.interrupted.append(params["execution"])
        answer = {"how": "signal", "execution": params["execution"]}
        return (answer, lambda: end("interrupted")(connection)) if self._obeys else answer


def test_ctrl_c_interrupts_ours_and_waits_for_its_end(serve: Serve, run: Run) -> None:
    held = Held()
    daemon = serve(**held.answers)
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.stdout.close()
    assert held.interrupted == [daemon.params("execution.submit")[0]["id"]]


def test_ctrl_c_twice_detaches(serve: Serve, run: Run) -> None:
    held = Held(obeys=False)
    daemon = serve(**held.answers)
    process = run.popen(
        "eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    daemon.wait_for("execution.interrupt")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    id = daemon.params("execution.submit")[0]["id"]
    assert (process.returncode, stderr.decode()) == (130, f"{id[-8:].lower()} still running\n")
    assert held.interrupted == [id]


def test_ctrl_c_that_takes_no_effect_is_said_and_the_next_detaches(serve: Serve, run: Run) -> None:
    held = Held(obeys=False)
    answer = {"how": "signal", "ended": False, "status": "running"}
    serve(**{**held.answers, "execution__interrupt": lambda c, p: answer})
    process = run.popen(
        "eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().decode() == (
        "runt: the interrupt was delivered (signal) and has not taken effect yet; "
        "Ctrl-C again leaves it running\n"
    )
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.decode().endswith(" still running\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_detach(serve: Serve, run: Run, number: int, code: int) -> None:
    held = Held()
    serve(**held.answers)
    process = run.popen(
        "eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert stderr.endswith(b" still running\n")
    assert held.interrupted == []


def late(answers: dict[str, Any], go_on: threading.Event) -> dict[str, Any]:
    """Answers of a service that takes its time to accept: it has a kernel to start."""
    submit = answers["execution__submit"]

    def accept(connection: Connection, params: dict[str, Any]) -> Any:
        wait_for(go_on)
        return submit(connection, params)

    return {**answers, "execution__submit": accept}


def test_ctrl_c_before_it_is_accepted_interrupts_it_then(serve: Serve, run: Run) -> None:
    held, go_on = Held(), threading.Event()
    daemon = serve(**late(held.answers, go_on))
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    daemon.wait_for("execution.submit")
    process.send_signal(signal.SIGINT)
    go_on.set()
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert held.interrupted == [daemon.params("execution.submit")[0]["id"]]


def test_leaving_before_it_is_accepted_says_so(serve: Serve, run: Run) -> None:
    held, go_on = Held(), threading.Event()
    daemon = serve(**late(held.answers, go_on))
    process = run.popen("eval", "x", stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    daemon.wait_for("execution.submit")
    process.terminate()
    _, stderr = process.communicate(timeout=20)
    go_on.set()
    assert process.returncode == 143
    assert stderr.endswith(b" not accepted yet\n")


class Starting:
    """A service that takes until it is told to start a runtime."""

    def __init__(self, *, is_there: bool, stubborn: int = 0) -> None:
        self.go_on = threading.Event()
        self._is_there = is_there
        self._stubborn = stubborn
        self._name = ""
        self.answers: dict[str, Any] = {
            "runtime__start": self._start,
            "runtime__get": self._get,
            "runtime__kill": self._kill,
            "runtime__remove": self._remove,
        }

    def _start(self, connection: Connection, params: dict[str, Any]) -> Any:
        self._name = params["name"]
        wait_for(self.go_on)
        if self._is_there:
            raise HangUp
        return {"id": "R1", "notices": ["never said"]}

    def _get(self, connection: Connection, params: dict[str, Any]) -> Any:
        if not self._is_there:
            self.go_on.set()
            raise Refuse("RuntimeNotFound", 3)
        return {"id": "R1", "name": self._name}

    def _kill(self, connection: Connection, params: dict[str, Any]) -> Any:
        self.go_on.set()
        return {}

    def _remove(self, connection: Connection, params: dict[str, Any]) -> Any:
        self._stubborn -= 1
        if self._stubborn >= 0:
            raise Refuse("RuntimeAlive", 4)
        return {}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_throwaway_runtime_starts_removes_it(
    serve: Serve, run: Run, number: int, code: int, is_there: bool
) -> None:
    """Whether it is listed already, or only its start's answer tells of it."""
    starting = Starting(is_there=is_there)
    daemon = serve(**starting.answers)
    process = run.popen("eval", "--rm", "x", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    daemon.wait_for("runtime.start")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (code, b"")
    killed = daemon.params("runtime.kill")
    assert killed == daemon.params("runtime.remove") == [{"runtime": "R1"}]
    assert daemon.params("execution.submit") == []


def test_one_that_is_not_dead_at_once_is_removed_all_the_same(serve: Serve, run: Run) -> None:
    starting = Starting(is_there=True, stubborn=1)
    daemon = serve(**starting.answers)
    process = run.popen("eval", "--rm", "x", stdin=subprocess.DEVNULL)
    daemon.wait_for("runtime.start")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert len(daemon.params("runtime.remove")) == 2


def test_a_runtime_of_that_name_that_is_not_ours_is_left(serve: Serve, run: Run) -> None:
    starting = Starting(is_there=False)
    older = {"id": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "name": "lab"}

    def get(connection: Connection, params: dict[str, Any]) -> Any:
        starting.go_on.set()
        return older

    daemon = serve(**{**starting.answers, "runtime__get": get})
    process = run.popen("eval", "--rm", "--name", "lab", "x", stdin=subprocess.DEVNULL)
    daemon.wait_for("runtime.start")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert daemon.params("runtime.kill") == [{"runtime": "R1"}]


def test_a_throwaway_runtime_that_cannot_be_killed_changes_no_exit_code(
    serve: Serve, run: Run
) -> None:
    def refuse(connection: Connection, params: dict[str, Any]) -> Any:
        raise Refuse("KeeperUnavailable", 5)

    serve(
        runtime__start=lambda c, p: {"id": "R1", "notices": ["a notice"]},
        runtime__kill=refuse,
        execution__submit=running(value("2"), end()),
    )
    done = run("eval", "--rm", "x")
    assert (done.returncode, done.stdout) == (0, "2\n")
    assert done.stderr == "runt: a notice\nrunt: r1 may be left: refused\n"


def test_signals_that_are_ignored_stay_ignored(serve: Serve, run: Run) -> None:
    """As nohup has it."""
    go_on = threading.Event()
    serve(execution__submit=running(out("running\n"), lambda c: wait_for(go_on), end()))
    process = run.popen(
        "eval",
        "x",
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    go_on.set()
    assert process.wait(20) == 0
    process.stdout.close()


def test_ctrl_c_reaches_it_while_its_reader_is_stuck(serve: Serve, run: Run) -> None:
    """As in a pager that shows its first page."""
    held = Held()
    held.answers["execution__submit"] = running(*[out("x" * 99 + "\n")] * 2000)
    daemon = serve(**held.answers)
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    daemon.wait_for("execution.interrupt")
    process.stdout.read()
    assert process.wait(20) == 130
    process.stdout.close()


# -- stdout that is closed


def test_a_closed_stdout_interrupts_ours(serve: Serve, run: Run) -> None:
    held = Held()
    submit = held.answers["execution__submit"]
    serve(**held.answers)
    process = run.popen(
        "eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert submit
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()  # it prints nothing more, and is told all the same
    assert process.wait(20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
    assert len(held.interrupted) == 1


# -- standard streams that are closed, full, or gone


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_become_the_socket(
    serve: Serve, run: Run, closed: str
) -> None:
    daemon = serve(execution__submit=running(out("text\n"), out("err\n", "stderr"), end()))
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" eval 1 {closed}', "sh", *RUNT],
        env=run.env,
        cwd=run.directory,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    assert done.stdout == ("" if ">&-" in closed.replace("2>&-", "") else "text\n")
    assert all(read.startswith(b'{"jsonrpc"') for read in daemon.reads)


@pytest.mark.parametrize("verb", [["eval", "1"], ["ps"]])
def test_a_full_disk_is_said(serve: Serve, run: Run, verb: list[str]) -> None:
    serve(
        execution__submit=running(out("text\n"), end()),
        execution__interrupt=lambda c, p: {"how": "none", "execution": p["execution"]},
        runtime__list=lambda c, p: [],
    )
    with open("/dev/full", "w") as full:
        process = run.popen(*verb, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 70
    assert b"No space left on device" in stderr
    assert b"Traceback" not in stderr
