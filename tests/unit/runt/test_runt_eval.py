"""`runt eval` against a scripted service: what it sends, and what it makes of the answers."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.fake_daemon import Connection, Refuse
from tests.harness.script import add, end, out, raised, running, value, wait_for

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve

# -- what is sent


def test_after_hello_subscription_and_code_are_one_write(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(end()))
    assert run("eval", "1+1", "--", "a", "b").returncode == 0
    assert [method for method, _ in daemon.calls] == [
        "daemon.hello",
        "events.subscribe",
        "execution.submit",
    ]
    assert [read.count(b"\n") for read in daemon.reads] == [1, 2]
    assert len(daemon.open) == 1  # on one connection
    submitted = daemon.params("execution.submit")[0]
    assert submitted["code"] == "1+1"
    assert submitted["argv"] == ["-c", "a", "b"]
    assert daemon.params("events.subscribe") == [{"execution": submitted["id"]}]
    assert daemon.params("daemon.hello")[0]["client"] == "runt"


def test_an_id_of_ones_own_is_followed_from_its_beginning(serve: Serve, run: Run) -> None:
    """It may have run already: then nothing but what is stored tells of it."""
    daemon = serve(execution__submit=running(out("before"), end()))
    run("eval", "--id", "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "1")
    assert daemon.params("events.subscribe") == [
        {"execution": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "since": "start"}
    ]


# -- what is shown


def test_streams_go_live_to_theirs_and_the_value_follows(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(out("a"), out("b\n", "stderr"), out("c"), value("2"), end()))
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ac\n2\n", "b\n")


@pytest.mark.parametrize("form", [[], ["--raw"], ["--value", "json"]])
def test_values_lose_their_colours_where_there_is_no_terminal(
    serve: Serve, run: Run, form: list[str]
) -> None:
    """Deno colours what it returns; a stream is as the program wrote it."""
    red = "\x1b[31mred\x1b[0m\n"
    serve(execution__submit=running(out(red, "stderr"), value("\x1b[33m2\x1b[39m"), end()))
    done = run("eval", *form, "1 + 1")
    assert (done.stdout, done.stderr) == ("2\n", red)


def test_output_comes_before_the_end(serve: Serve, run: Run) -> None:
    go_on = threading.Event()
    serve(execution__submit=running(out("early\n"), lambda c: wait_for(go_on), end()))
    with run.popen("eval", "x", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"early\n"
        go_on.set()
        assert process.wait(20) == 0


@pytest.mark.parametrize("form", [["--raw"], ["--value", "text"], ["--value", "json"]])
def test_the_value_alone(serve: Serve, run: Run, form: list[str]) -> None:
    serve(
        execution__submit=running(
            out("printed\n"),
            add(output_type="display_data", data={"text/plain": "shown"}),
            value("(1, 2)"),
            end(),
        )
    )
    done = run("eval", *form, "x")
    assert done.stdout == ("[1, 2]\n" if "json" in form else "(1, 2)\n")
    assert done.stderr == "printed\nshown\n"


@pytest.mark.parametrize("form", [["--raw"], []])
def test_lone_surrogates_and_a_small_encoding_break_nothing(
    serve: Serve, run: Run, form: list[str]
) -> None:
    serve(execution__submit=running(out("\ud800\n", "stderr"), value("'a\udc80'"), end()))
    done = run("eval", *form, "x", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "a?" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_value_without_json_form_is_an_error(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(value("<object>"), end()))
    done = run("eval", "--value", "json", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "runt: the value has no JSON form: <object>\n"


def test_updates_follow_and_clearing_is_not_shown(serve: Serve, run: Run) -> None:
    serve(
        execution__submit=running(
            add(output_type="display_data", data={"text/plain": "0 %"}, display_id="p"),
            lambda c: c.event("output", {"op": "clear", "wait": True}),
            lambda c: c.event(
                "output",
                {"op": "update", "display_id": "p", "data": {"text/plain": "50 %"}, "metadata": {}},
            ),
            end(),
        )
    )
    assert run("eval", "x").stdout == "0 %\n50 %\n"


def test_a_traceback_is_on_stderr_without_colours(serve: Serve, run: Run) -> None:
    serve(execution__submit=running(raised("ValueError", "no"), end("error")))
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "ValueError: no\n")


def test_json_is_a_line_an_event_and_then_the_document(serve: Serve, run: Run) -> None:
    document = {"id": "01J", "status": "done", "outputs": [], "code": "\ud800"}
    serve(
        execution__submit=running(out("a"), value("2"), end()), execution__get=lambda c, p: document
    )
    done = run("eval", "--json", "x")
    assert done.stderr == ""
    *events, last = map(json.loads, done.stdout.splitlines())
    assert last == {"schema": 1, "execution": {**document, "code": "?"}}
    assert [(event["schema"], event["event"]["type"]) for event in events][-3:] == [
        *((1, "output"), (1, "output"), (1, "execution")),
    ]
    assert events[-3]["event"]["data"]["text"] == "a"


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
            out("after\n"),
            end(),
        ),
        blob__get=lambda c, p: {
            "sha256": p["sha256"],
            "size_bytes": 40,
            "data": base64.b64encode(text.encode()).decode(),
        },
    )
    assert run("eval", "x").stdout == text + "after\n"
    assert daemon.params("blob.get") == [{"sha256": "a" * 64}]


def test_notices_are_said_before_the_output_of_a_runtimes_first_execution(
    serve: Serve, run: Run
) -> None:
    def first(c: Connection) -> None:
        c.event("execution", {"execution_count": 1}, runtime="R")

    daemon = serve(
        execution__submit=running(first, out("err\n", "stderr"), end()),
        runtime__get=lambda c, p: {"notices": ["using runtimed's own Python"]},
    )
    assert run("eval", "x").stderr == "runt: using runtimed's own Python\nerr\n"
    assert daemon.params("runtime.get") == [{"runtime": "R"}]


def test_notices_of_an_older_runtime_are_not_said_again(serve: Serve, run: Run) -> None:
    """Who started it was told; a restart counts its executions anew."""
    older = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T"
    daemon = serve(
        execution__submit=running(
            lambda c: c.event("execution", {"execution_count": 1}, runtime=older), end()
        )
    )
    done = run("eval", "x")
    assert (done.returncode, done.stderr) == (0, "")
    assert daemon.params("runtime.get") == []


# -- how it ends


@pytest.mark.parametrize(
    ("status", "code", "stderr"),
    [
        ("done", 0, "{id}: because"),
        ("error", 1, "{id}: because"),
        ("interrupted", 130, "{id}: because"),
        ("cancelled", 1, "{id}: cancelled: because"),
        ("lost", 1, "{id}: lost: because"),
        ("kernel_died", 8, "{id}: the kernel died: because"),
    ],
)
def test_exit_codes(serve: Serve, run: Run, status: str, code: int, stderr: str) -> None:
    daemon = serve(execution__submit=running(end(status, reason="because")))
    done = run("eval", "x")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert done.returncode == code
    assert done.stderr == (f"runt: {stderr.format(id=id)}\n" if stderr else "")


def test_what_its_runtime_lets_go_of_is_followed_no_longer(serve: Serve, run: Run) -> None:
    let_go = {"status": "running", "detached": True, "reason": "it ran longer than 60 s"}
    script = running(out("so far\n"), lambda c: c.event("execution", let_go, runtime="R"))
    daemon = serve(execution__submit=script)
    done = run("eval", "x")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert (done.returncode, done.stdout) == (124, "so far\n")
    assert done.stderr == f"runt: {id}: it ran longer than 60 s\n{id} still running\n"


def test_an_agent_that_uses_runt_says_its_name(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(end("done")))
    assert run("eval", "x", env={"RUNT_AGENT": "claude-code"}).returncode == 0
    assert daemon.params("daemon.hello")[-1]["agent"] == "claude-code"
    assert run("eval", "x").returncode == 0
    assert "agent" not in daemon.params("daemon.hello")[-1]
    refused = run("eval", "x", env={"RUNT_AGENT": "two words"})
    assert refused.returncode == 2
    assert "RUNT_AGENT is 'two words'" in refused.stderr


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


@pytest.mark.parametrize(
    "argv",
    [["eval", "SECRET"], ["eval", "--rm", "SECRET"], ["submit", "SECRET"], ["start", "SECRET"]],
    ids=" ".join,
)
def test_another_service_is_told_nothing_but_hello(serve: Serve, run: Run, argv: list[str]) -> None:
    daemon = serve(daemon__hello=lambda c, p: {"service": "other", "protocol": [1, 1]})
    done = run(*argv)
    assert done.returncode == 5
    assert "calls itself 'other'" in done.stderr
    daemon.close()  # all that was sent has been read
    assert [method for method, _ in daemon.calls] == ["daemon.hello"]
    assert b"SECRET" not in b"".join(daemon.reads)


def test_a_wait_that_expires_leaves_it_running(serve: Serve, run: Run) -> None:
    daemon = serve(execution__submit=running(out("so far")))
    done = run("eval", "--wait", "0.2", "x")
    id = daemon.params("execution.submit")[0]["id"][-8:].lower()
    assert (done.returncode, done.stdout) == (124, "so far")
    assert done.stderr == f"{id} still running\n"
    assert daemon.params("execution.interrupt") == []


@pytest.mark.parametrize("wait_s", ["3000000", "315360000"])
def test_a_wait_longer_than_poll_can_take(serve: Serve, run: Run, wait_s: str) -> None:
    go_on = threading.Event()
    serve(execution__submit=running(out("early\n"), lambda c: wait_for(go_on), end()))
    argv = ["eval", "--wait", wait_s, "x"]
    with run.popen(*argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"early\n"
        finally:
            go_on.set()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["--raw", "--json"],
        ["--raw", "--max-chars", "300"],
        ["-q", "--format", "text"],
        ["--format", "html", "--max-chars", "300"],
        ["-d", "--save-images", "x"],
        ["--save-images", ""],
        ["-d", "--rm"],
        ["-d", "--wait", "1"],
        ["--rm", "-r", "x"],
        ["--stdin", "--no-stdin"],
        ["-r", "x", "-k", "y"],
    ],
    ids=" ".join,
)
def test_options_that_contradict_each_other(run: Run, argv: list[str]) -> None:
    done = run("eval", *argv, "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_throwaway_runtime_is_removed_even_after_an_error(serve: Serve, run: Run) -> None:
    daemon = serve(
        runtime__start=lambda c, p: {"id": "RR", "notices": ["n"]},
        execution__submit=running(raised("ValueError"), end("error")),
        runtime__kill=lambda c, p: {},
        runtime__remove=lambda c, p: {},
    )
    done = run("eval", "--rm", "-k", "python3", "x")
    assert (done.returncode, done.stderr) == (1, "runt: n\nValueError: \n")
    assert [m for m, _ in daemon.calls if "hello" not in m] == [
        "runtime.start",
        "events.subscribe",
        "execution.submit",
        "runtime.kill",
        "runtime.remove",
    ]
    assert daemon.params("runtime.start")[0]["kernel_name"] == "python3"
    assert daemon.params("execution.submit")[0]["runtime"] == "RR"
