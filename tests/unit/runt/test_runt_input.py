"""Answers to input(): from a pipe, line by line, and from nobody."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from tests.harness.script import end, out, running, value
from tests.unit.runt.conftest import RUNT, Run, Serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.fake_daemon import Connection


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
