"""What goes wrong is a sentence and an exit code, for every verb."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runt.group import run as run_verb
from tests.harness.fake_daemon import HangUp, Refuse
from tests.harness.script import end, running
from tests.unit.runt.verbs import RUNTIME

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("RuntimeNotFound", 3),
        ("AmbiguousReference", 4),
        ("Denied", 7),
        ("KernelDidNotStart", 6),
        ("Internal", 70),
    ],
)
def test_a_failed_call_is_a_sentence_and_its_exit_code(
    serve: Serve, run: Run, name: str, code: int
) -> None:
    def refuse(connection: Any, params: Any) -> Any:
        raise Refuse(name, code, "no such luck")

    serve(runtime__kill=refuse)
    done = run("kill", "x")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "runt: no such luck\n")


@pytest.mark.parametrize("argv", [["bogus"], ["kill"], ["ps", "--bogus"], ["call", "m", "{"]])
def test_wrong_usage_is_exit_2(run: Run, argv: list[str]) -> None:
    done = run(*argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("given", ["inf", "1e10", "nan", "-1", "-inf", "soon", ""])
@pytest.mark.parametrize(
    "argv",
    [
        ["eval", "1", "--wait"],
        ["wait", "x", "--wait"],
        ["stop", "x", "--grace"],
        ["start", "--idle-stop"],
        ["start", "--timeout"],
    ],
    ids=" ".join,
)
def test_times_are_numbers_of_seconds(capsys: Any, argv: list[str], given: str) -> None:
    assert run_verb([*argv, given]) == 2
    said = capsys.readouterr().err
    assert f"Invalid value for '{argv[-1]}'" in said
    assert given in said


@pytest.mark.parametrize("option", ["--idle-stop", "--timeout"])
def test_no_time_at_all_is_too_little_to_start(capsys: Any, option: str) -> None:
    assert run_verb(["start", option, "0"]) == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["start", "--name", ""], "--name is empty"),
        (["start", "--python="], "--python is empty"),
        (["start", ""], "KERNEL is empty"),
        (["eval", "--name", "", "1"], "--name is empty"),
        (["eval", "-r", "", "1"], "--runtime is empty"),
        (["eval", "-r", "x", "-k", "", "1"], "--kernel is empty"),
        (["eval", "--cell=", "1"], "--cell takes NOTEBOOK/ID, not ''"),
        (["start", "--env", "=x"], "--env takes NAME=VALUE or NAME, not '=x'"),
        (["eval", "--env", "", "1"], "--env takes NAME=VALUE or NAME, not ''"),
        (
            ["submit", "--env", "NOEQ", "1"],
            "--env NOEQ: there is no variable of that name here to pass on",
        ),
    ],
)
def test_what_is_empty_or_not_there_is_named(run: Run, argv: list[str], said: str) -> None:
    done = run(*argv)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"runt: {said}\n")


@pytest.mark.parametrize(
    ("verb", "how", "text"),
    [
        ("stop", "shutdown_request", "stopped 2p1r0s9t"),
        ("stop", "SIGKILL", "stopped 2p1r0s9t (SIGKILL)"),
        ("stop", "already_dead", "already dead 2p1r0s9t"),
        ("kill", "SIGKILL", "killed 2p1r0s9t"),
        ("kill", "already_dead", "already dead 2p1r0s9t"),
        ("restart", "shutdown_request", "restarted 2p1r0s9t"),
        ("restart", "SIGTERM", "restarted 2p1r0s9t (SIGTERM)"),
        ("restart", "already_dead", "restarted 2p1r0s9t (it was dead)"),
        ("restart", "jupyter_server", "restarted 2p1r0s9t (by its Jupyter server)"),
    ],
)
def test_how_it_was_ended_is_said(serve: Serve, run: Run, verb: str, how: str, text: str) -> None:
    ended = {"runtime": RUNTIME, "how": how}
    methods = ("runtime__stop", "runtime__kill", "runtime__restart")
    serve(runtime__get=lambda c, p: RUNTIME, **{m: lambda c, p: ended for m in methods})
    done = run(verb, "lab")
    assert (done.returncode, done.stdout) == (0, f"{text}\n")
    assert run(verb, "lab", "-q").stdout == "2p1r0s9t\n"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("queued", "on its way to the kernel; `runt interrupt 2p1r0s9t` interrupts it"),
        ("running", "running; `runt interrupt 2p1r0s9t` interrupts it"),
        ("done", "done"),
    ],
)
def test_what_cannot_be_cancelled_any_more(serve: Serve, run: Run, status: str, said: str) -> None:
    serve(execution__cancel=lambda c, p: {"id": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "status": status})
    done = run("cancel", "x")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"runt: 2p1r0s9t is not queued, it is {said}\n"


def test_what_is_removed_is_named_by_its_short_id(serve: Serve, run: Run) -> None:
    daemon = serve(runtime__get=lambda c, p: RUNTIME, runtime__remove=lambda c, p: {})
    assert run("rm", "x y").stdout == "removed 2p1r0s9t\n"
    assert daemon.params("runtime.remove") == [{"runtime": "x y"}]


@pytest.mark.parametrize("verb", ["show", "attach", "interrupt"])
def test_what_is_neither_is_said_to_be_neither(serve: Serve, run: Run, verb: str) -> None:
    def no(noun: str) -> Any:
        def refuse(connection: Any, params: Any) -> Any:
            raise Refuse(f"{noun}NotFound", 3)

        return refuse

    serve(
        execution__get=no("Execution"),
        execution__interrupt=no("Execution"),
        runtime__get=no("Runtime"),
        runtime__interrupt=no("Runtime"),
    )
    done = run(verb, "nosuch")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "runt: neither an execution nor a runtime is called nosuch\n"


def test_a_restart_says_new_notices_only(serve: Serve, run: Run) -> None:
    serve(
        runtime__get=lambda c, p: {**RUNTIME, "notices": ["old"]},
        runtime__restart=lambda c, p: {
            "runtime": {**RUNTIME, "notices": ["old", "new"]},
            "how": "shutdown_request",
        },
    )
    assert run("restart", "lab").stderr == "runt: new\n"


@pytest.mark.parametrize(
    "argv",
    [["show", "\udcff"], ["eval", "1", "--", "\udcff"], ["\udcff", "x"], ["eval", "\udcff"]],
)
def test_an_argument_that_is_not_utf8(run: Run, argv: list[str]) -> None:
    done = run(*argv)
    number = argv.index("\udcff") + 1
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"runt: argument {number} is not UTF-8\n"


def test_the_name_of_a_file_may_be_anything(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(end()))
    with open(os.path.join(run.directory, "\udcff.py"), "w") as file:
        file.write("1")
    for form in (["-f", "\udcff.py"], ["--file=\udcff.py"]):
        assert run("eval", *form).returncode == 0
    assert [p["code"] for p in daemon.params("execution.submit")] == ["1", "1"]


@pytest.mark.parametrize("verb", ["ps", "status", "start"])
def test_what_is_not_runtimed_is_said_once(serve: Serve, run: Run, verb: str) -> None:
    def talk(connection: Any, params: Any) -> Any:
        connection.send({"nonsense": 1})
        raise HangUp

    serve(daemon__hello=talk)
    done = run(verb)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("Something else than this runtimed answers") == 1


@pytest.mark.parametrize("verb", [["ps"], ["status"], ["eval", "1"], ["start"]])
def test_a_place_that_is_not_safely_ours_is_exit_7(run: Run, verb: list[str]) -> None:
    os.chmod(run.directory, 0o755)
    done = run(*verb)
    assert (done.returncode, done.stdout) == (7, "")
    assert "has mode 0755; it must be 0700" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_state_directory_that_is_not_safely_ours_is_exit_7(run: Run, directory: str) -> None:
    state = os.path.join(directory, "s")
    os.mkdir(state)
    os.chmod(state, 0o755)
    done = run("eval", "1", env={"RUNTIMED_STATE_DIR": state})
    assert (done.returncode, done.stdout) == (7, "")
    assert "has mode 0755; it must be 0700" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
@pytest.mark.parametrize("verb", [["ps"], ["eval", "1"]])
def test_somebody_elses_socket_is_exit_7(serve: Serve, run: Run, verb: list[str]) -> None:
    serve()
    os.chown(run.env["RUNTIMED_SOCKET"], 65534, 65534)
    done = run(*verb)
    assert (done.returncode, done.stdout) == (7, "")
    assert "belongs to uid 65534" in done.stderr


def test_output_has_colours_for_terminals_and_json_only(serve: Serve, run: Run) -> None:
    lines = ["\x1b[31mred\x1b[0m", "plain"]
    page = {"execution": "E", "lines": lines, "more": False, "unfinished": "\x1b[1mlast"}
    serve(execution__output=lambda c, p: page)
    assert run("output", "x").stdout == "red\nplain\nlast"
    assert json.loads(run("output", "x", "--json").stdout)["output"]["lines"] == lines


def test_a_closed_pipe_is_no_traceback(serve: Serve, run: Run) -> None:
    serve(runtime__list=lambda c, p: [RUNTIME] * 5000)
    with run.popen("ps", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == b""
