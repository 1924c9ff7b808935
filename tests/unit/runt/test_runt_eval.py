"""`runt eval` against a scripted service: what it sends, and what it makes of the answers."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.fake_daemon import Connection, FakeDaemon, HangUp, Refuse
from tests.unit.runt.conftest import Run, Serve

Script = Callable[[Connection], None]


def running(*script: Script) -> Callable[[Connection, dict[str, Any]], Any]:
    """An answer to execution.submit: accepted, then these events."""
    def submit(connection: Connection, params: dict[str, Any]) -> Any:
        def play() -> None:
            connection.event("execution", {"status": "running"}, runtime="R")
            for step in script:
                step(connection)

        return {"id": params["id"], "status": "queued"}, play

    return submit


def out(text: str, name: str = "stdout") -> Script:
    return lambda c: c.event("output", {"op": "stream", "name": name, "text": text})


def add(**output: Any) -> Script:
    return lambda c: c.event("output", {"op": "add", "output": output})


def value(text: str, **data: Any) -> Script:
    return add(output_type="execute_result", data={"text/plain": text, **data}, metadata={})


def end(status: str = "done", **fields: Any) -> Script:
    return lambda c: c.event("execution", {"status": status, **fields}, runtime="R")


def raised(ename: str, evalue: str = "") -> Script:
    return add(output_type="error", ename=ename, evalue=evalue,
               traceback=[f"\x1b[0;31m{ename}\x1b[0m: {evalue}"])


# -- what is sent


def test_hello_subscription_and_code_are_one_write(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(end()))
    assert run("eval", "1+1", "--", "a", "b").returncode == 0
    assert [method for method, _ in daemon.calls] == [
        "daemon.hello", "events.subscribe", "execution.submit"]
    assert daemon.reads[0].count(b"\n") == 3
    submitted = daemon.params("execution.submit")[0]
    assert submitted["code"] == "1+1"
    assert submitted["argv"] == ["a", "b"]
    assert daemon.params("events.subscribe") == [{"execution": submitted["id"]}]
    assert daemon.params("daemon.hello")[0]["client"] == "runt"


def test_an_id_of_ones_own_is_followed_from_its_beginning(serve: Serve, run: Run) -> None:
    """It may have run already: then nothing but what is stored tells of it."""
    daemon = serve(execution__submit=running(out("before"), end()))
    run("eval", "--id", "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "1")
    assert daemon.params("events.subscribe") == [
        {"execution": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "since": "start"}]


# -- what is shown


def test_streams_go_live_to_theirs_and_the_value_follows(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(out("a"), out("b\n", "stderr"), out("c"), value("2"), end()))
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ac\n2\n", "b\n")


def test_output_comes_before_the_end(serve: Serve, run: Run) -> None:
    go_on = threading.Event()
    serve(execution__submit=running(out("early\n"), lambda c: go_on.wait(20) and None, end()))
    with run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"early\n"
        go_on.set()
        assert process.wait(20) == 0


@pytest.mark.parametrize("form", [["--raw"], ["--value", "text"], ["--value", "json"]])
def test_the_value_alone(serve: Serve, run: Run, form: list[str]) -> None:
    serve(execution__submit=running(
        out("printed\n"), add(output_type="display_data", data={"text/plain": "shown"}),
        value("(1, 2)"), end()))
    done = run("eval", *form, "x")
    assert done.stdout == ("[1, 2]\n" if "json" in form else "(1, 2)\n")
    assert done.stderr == "printed\nshown\n"


def test_a_value_without_json_form_is_an_error(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(value("<object>"), end()))
    done = run("eval", "--value", "json", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "runt: the value has no JSON form: <object>\n"


def test_updates_follow_and_clearing_is_not_shown(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(
        add(output_type="display_data", data={"text/plain": "0 %"}, display_id="p"),
        lambda c: c.event("output", {"op": "clear", "wait": True}),
        lambda c: c.event("output", {"op": "update", "display_id": "p",
                                     "data": {"text/plain": "50 %"}, "metadata": {}}),
        end()))
    assert run("eval", "x").stdout == "0 %\n50 %\n"


def test_a_traceback_is_on_stderr_without_colours(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(raised("ValueError", "no"), end("error")))
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "ValueError: no\n")


def test_json_is_one_document_and_nothing_else(serve: Serve, run: Run) -> None:
    document = {"id": "01J", "status": "done", "outputs": [], "code": "\ud800"}
    serve(execution__submit=running(out("a"), value("2"), end()),
          execution__get=lambda c, p: document)
    done = run("eval", "--json", "x")
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"schema": 1, "execution": {**document, "code": "?"}}


def test_quiet_is_the_id_alone(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(out("a"), end()))
    done = run("eval", "-q", "x")
    assert done.stdout == daemon.params("execution.submit")[0]["id"][-8:].lower() + "\n"


def test_detached_prints_the_id_and_leaves(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=lambda c, p: {"id": p["id"], "status": "queued"})
    done = run("eval", "-d", "x")
    assert done.stdout == daemon.params("execution.submit")[0]["id"][-8:].lower() + "\n"


def test_text_in_blobs_is_fetched_and_keeps_its_place(serve: Serve, run: Run) -> None:
    text = "big\n" * 10
    reference = {"blob": "a" * 64, "size_bytes": 40, "encoding": "utf8"}
    daemon = serve(
        execution__submit=running(
            lambda c: c.event("output", {"op": "stream", "name": "stdout", "text": reference}),
            out("after\n"), end()),
        blob__get=lambda c, p: {"sha256": p["sha256"], "size_bytes": 40,
                                "data": base64.b64encode(text.encode()).decode()})
    assert run("eval", "x").stdout == text + "after\n"
    assert daemon.params("blob.get") == [{"sha256": "a" * 64}]


def test_notices_are_said_at_the_first_execution_of_a_runtime(serve: Serve, run: Run) -> None:
    def first(c: Connection) -> None:
        c.event("execution", {"execution_count": 1}, runtime="R")

    daemon = serve(execution__submit=running(first, end()),
                   runtime__get=lambda c, p: {"notices": ["using runtimed's own Python"]})
    assert run("eval", "x").stderr == "runt: using runtimed's own Python\n"
    assert daemon.params("runtime.get") == [{"runtime": "R"}]


# -- how it ends


@pytest.mark.parametrize(
    ("status", "code", "stderr"),
    [("done", 0, ""), ("error", 1, ""), ("interrupted", 130, ""),
     ("cancelled", 1, "{id}: cancelled: because"), ("lost", 1, "{id}: lost: because"),
     ("kernel_died", 8, "{id}: the kernel died: because")],
)
def test_exit_codes(serve: Serve, run: Run, status: str, code: int, stderr: str) -> None:
    daemon = serve(execution__submit=running(end(status, reason="because")))
    done = run("eval", "x")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert done.returncode == code
    assert done.stderr == (f"runt: {stderr.format(id=id)}\n" if stderr else "")


@pytest.mark.parametrize(("evalue", "code"), [("0", 0), ("None", 0), ("", 0), ("3", 1)])
def test_sys_exit(serve: Serve, run: Run, evalue: str, code: int) -> None:
    serve(execution__submit=running(raised("SystemExit", evalue), end("error")))
    assert run("eval", "x").returncode == code


def test_a_refusal_brings_its_exit_code(serve: Serve, run: Run) -> None:
    def refuse(connection: Connection, params: dict[str, Any]) -> Any:
        raise Refuse("KernelNotFound", 3, "No kernelspec is called x")

    serve(execution__submit=refuse)
    done = run("eval", "x")
    assert (done.returncode, done.stderr) == (3, "runt: No kernelspec is called x\n")


def test_another_service_is_not_given_anything_more(serve: Serve, run: Run) -> None:
    serve(daemon__hello=lambda c, p: {"service": "other", "protocol": [1, 1]},
          execution__submit=hang_up)
    done = run("eval", "x")
    assert done.returncode == 5
    assert "calls itself 'other'" in done.stderr


def test_a_wait_that_expires_leaves_it_running(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(out("so far")))
    done = run("eval", "--wait", "0.2", "x")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert (done.returncode, done.stdout) == (124, "so far")
    assert done.stderr == f"{id} still running\n"
    assert daemon.params("execution.interrupt") == []


@pytest.mark.parametrize(
    "argv", [["--raw", "--json"], ["-d", "--rm"], ["-d", "--wait", "1"], ["--rm", "-r", "x"],
             ["--stdin", "--no-stdin"], ["-r", "x", "-k", "y"]], ids=" ".join)
def test_options_that_contradict_each_other(run: Run, argv: list[str]) -> None:
    done = run("eval", *argv, "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_throwaway_runtime_is_removed_even_after_an_error(serve: Serve, run: Run) -> None:
    daemon = serve(
        runtime__start=lambda c, p: {"id": "RR", "notices": ["n"]},
        execution__submit=running(raised("ValueError"), end("error")),
        runtime__kill=lambda c, p: {}, runtime__remove=lambda c, p: {})
    done = run("eval", "--rm", "-k", "python3", "x")
    assert (done.returncode, done.stderr) == (1, "runt: n\nValueError: \n")
    assert [m for m, _ in daemon.calls if "hello" not in m] == [
        "runtime.start", "events.subscribe", "execution.submit", "runtime.kill", "runtime.remove"]
    assert daemon.params("runtime.start")[0]["kernel"] == "python3"
    assert daemon.params("execution.submit")[0]["runtime"] == "RR"


# -- connections that end


def hang_up(connection: Connection, params: dict[str, Any]) -> Any:
    raise HangUp


def test_a_lost_connection_resumes_after_the_last_event(serve: Serve, run: Run) -> None:
    """Nothing twice, nothing missing, not a word about it; and the code is not sent again."""
    daemon: FakeDaemon
    cursors: list[str] = []

    def subscribe(connection: Connection, params: dict[str, Any]) -> Any:
        connection.filters = params
        result = {"subscription": "s", "cursor": f"e.{daemon.seq}"}
        if "since" not in params:
            return result
        cursors.append(params["since"])

        def rest() -> None:
            out("second\n")(connection)
            end()(connection)

        return result, rest

    def cut(connection: Connection) -> None:
        cursors.append(f"e.{daemon.seq}")
        raise HangUp

    daemon = serve(events__subscribe=subscribe, execution__submit=running(out("first\n"), cut))
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\n", "")
    assert cursors[0] == cursors[1]
    assert len(daemon.params("execution.submit")) == 1


def test_without_an_acknowledgement_the_same_id_is_submitted_again(serve: Serve, run: Run) -> None:
    attempts: list[str] = []

    def submit(connection: Connection, params: dict[str, Any]) -> Any:
        attempts.append(params["id"])
        if len(attempts) == 1:
            raise HangUp
        return running(out("once\n"), end())(connection, params)

    daemon = serve(execution__submit=submit)
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")
    assert len(attempts) == 2
    assert len(set(attempts)) == 1
    assert len(daemon.params("events.subscribe")) == 2


def test_a_daemon_that_is_stopping_is_asked_no_more(serve: Serve, run: Run) -> None:
    attempts: list[str] = []

    def submit(connection: Connection, params: dict[str, Any]) -> Any:
        attempts.append(params["id"])
        if len(attempts) == 1:
            def leave() -> None:
                raise HangUp

            connection.send({"jsonrpc": "2.0", "id": 3, "error": {
                "code": -32033, "message": "stopping", "data": {"name": "ShuttingDown"}}})
            leave()
        return running(out("once\n"), end())(connection, params)

    serve(execution__submit=submit)
    assert run("eval", "x").stdout == "once\n"


def test_one_that_hangs_up_again_and_again_is_given_up(serve: Serve, run: Run) -> None:
    serve(daemon__hello=hang_up)
    done = run("eval", "x")
    assert done.returncode != 0
    assert "hangs up again and again" in done.stderr


def test_after_lagged_it_subscribes_again_where_it_was(serve: Serve, run: Run) -> None:
    def subscribe(connection: Connection, params: dict[str, Any]) -> Any:
        connection.filters = params
        result = {"subscription": "s", "cursor": "e.0"}
        if "since" not in params:
            return result

        def rest() -> None:
            out("rest\n")(connection)
            end()(connection)

        return result, rest

    daemon = serve(events__subscribe=subscribe, execution__submit=running(
        out("first\n"), lambda c: c.event("lagged", {})))
    assert run("eval", "x").stdout == "first\nrest\n"
    assert [p.get("since") for p in daemon.params("events.subscribe")] == [None, "e.3"]


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
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    while not held.interrupted:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    id = daemon.params("execution.submit")[0]["id"]
    assert (process.returncode, stderr.decode()) == (130, f"{id[-8:].lower()} still running\n")
    assert held.interrupted == [id]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_detach(serve: Serve, run: Run, number: int, code: int) -> None:
    held = Held()
    serve(**held.answers)
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert stderr.endswith(b" still running\n")
    assert held.interrupted == []


def test_signals_that_are_ignored_stay_ignored(serve: Serve, run: Run) -> None:
    """As nohup has it."""
    go_on = threading.Event()
    serve(execution__submit=running(out("running\n"), lambda c: go_on.wait(20) and None, end()))
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
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
    serve(**held.answers)
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    while not held.interrupted:
        assert process.poll() is None
    process.stdout.read()
    assert process.wait(20) == 130
    process.stdout.close()


# -- stdout that is closed


def test_a_closed_stdout_interrupts_ours(serve: Serve, run: Run) -> None:
    held = Held()
    submit = held.answers["execution__submit"]
    serve(**held.answers)
    process = run.popen("eval", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        stdin=subprocess.DEVNULL)
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
        ("one", False), ("two", False), ("three", False), ("", True)]


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
        ["sh", "-c", 'while read line; do "$@" eval 1+1; echo $line; done', "sh",
         *run_command()],
        input="a\nb\n", env=run.env, cwd=run.directory, capture_output=True, text=True, timeout=30)
    assert done.stdout == "2\na\n2\nb\n"


def run_command() -> list[str]:
    from tests.unit.runt.conftest import RUNT

    return RUNT


def test_code_that_names_stdin_gets_all_of_it(serve: Serve, run: Run, tmp_path: Path) -> None:
    daemon = serve(execution__submit=running(end()))
    run("eval", "import sys; sys.stdin.read()", input="a\nb")
    assert daemon.params("execution.submit")[0]["stdin"] == "a\nb"


def test_without_stdin_it_says_who_can_answer(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(
        lambda c: c.event("input", {"prompt": "", "password": False}), end()))
    done = run("eval", "--no-stdin", "input()")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert done.stderr == f"runt: {id} waits for input; `runt reply {id} TEXT` answers it\n"
