"""`runt eval` against a scripted service: signals, a stdout that closes, and stdin."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.fake_daemon import Connection, HangUp, Refuse
from tests.harness.script import end, out, running, value, wait_for
from tests.unit.runt.conftest import RUNT, Run, Serve

if TYPE_CHECKING:
    from pathlib import Path

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


# -- answers to input()


def asking(prompt: str, answers: list[dict[str, Any]], *, password: bool = False) -> dict[str, Any]:
    """Answers of a service whose execution asks once, and prints what it was told."""

    def ask(connection: Connection) -> None:
        connection.event("input", {"prompt": prompt, "password": password})
        connection.event("execution", {"status": "waiting_input"})

    def take(connection: Connection, params: dict[str, Any]) -> Any:
        answers.append(params)

        def go_on() -> None:
            connection.event("execution", {"status": "running"})
            if params.get("eof"):
                end()(connection)
            else:
                out(f"<{params['value']}>\n")(connection)
                ask(connection)

        return {}, go_on

    return {"execution__submit": running(ask), "execution__input": take}


def test_a_piped_stdin_answers_line_by_line_and_then_ends(serve: Serve, run: Run) -> None:
    answers: list[dict[str, Any]] = []
    serve(**asking("? ", answers))
    done = run("eval", "input()", input="one\r\ntwo\nthree")
    assert done.stdout == "<one>\n<two>\n<three>\n"
    assert [(a["value"], a.get("eof", False)) for a in answers] == [
        ("one", False),
        ("two", False),
        ("three", False),
        ("", True),
    ]


def test_a_line_that_is_not_utf8_ends_it(serve: Serve, run: Run) -> None:
    """Lines before it were taken; nothing else is given in its place."""
    answers: list[dict[str, Any]] = []
    service = asking("? ", answers)

    def interrupt(connection: Connection, params: dict[str, Any]) -> Any:
        return {"how": "signal", "execution": params["execution"]}, lambda: end("interrupted")(
            connection
        )

    daemon = serve(**service, execution__interrupt=interrupt)
    read, write = os.pipe()
    os.write(write, b"one\ncaf\xe9\nthree\n")
    os.close(write)
    done = run("eval", "input()", stdin=read)
    os.close(read)
    assert (done.returncode, done.stdout) == (2, "<one>\n")
    assert done.stderr == "runt: stdin is not UTF-8 (byte 7)\n"
    assert [a["value"] for a in answers] == ["one"]
    assert len(daemon.params("execution.interrupt")) == 1


def test_an_empty_stdin_is_the_end_of_file(serve: Serve, run: Run) -> None:
    answers: list[dict[str, Any]] = []
    serve(**asking("? ", answers))
    assert run("eval", "input()").returncode == 0
    assert [a.get("eof") for a in answers] == [True]


def test_an_idle_pipe_hangs_nothing(serve: Serve, run: Run) -> None:
    """As cron, ssh and CI leave it; the code of the command line does not ask for it."""
    read, write = os.pipe()
    serve(execution__submit=running(value("2"), end()))
    assert run("eval", "1+1", stdin=read).stdout == "2\n"
    os.close(read)
    os.close(write)


def test_a_shells_loop_keeps_its_list(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(value("2"), end()))
    done = subprocess.run(
        ["sh", "-c", 'while read line; do "$@" eval 1+1; echo $line; done', "sh", *RUNT],
        input="a\nb\n",
        env=run.env,
        cwd=run.directory,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "2\na\n2\nb\n"


def test_code_that_names_stdin_gets_all_of_it(serve: Serve, run: Run, tmp_path: Path) -> None:
    daemon = serve(execution__submit=running(end()))
    run("eval", "import sys; sys.stdin.read()", input="a\nb")
    assert daemon.params("execution.submit")[0]["stdin"] == "a\nb"


def test_without_stdin_it_says_who_can_answer(serve: Serve, run: Run) -> None:
    daemon = serve(
        execution__submit=running(
            lambda c: c.event("input", {"prompt": "", "password": False}), end()
        )
    )
    done = run("eval", "--no-stdin", "input()")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert done.stderr == f"runt: {id} waits for input; `runt reply {id} TEXT` answers it\n"


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
