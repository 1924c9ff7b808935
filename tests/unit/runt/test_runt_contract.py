"""What `runt` promises about itself: its calls exist, its reference is true, it starts light."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import runt
from runt import reference
from runt.group import ALIASES, VERBS, group
from runt.group import run as run_verb
from runtimed.api.registry import REGISTRY
from tests.harness.fake_daemon import HangUp, Refuse
from tests.harness.script import end, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.runt.conftest import Run, Serve

SOURCES = sorted(Path(next(iter(runt.__path__))).rglob("*.py"))
#: Functions of `runt` whose first argument is a method of the API.
CALLERS = {"call", "call_again", "request", "end_all", "open"}


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Find where, which method, and the parameters that are written down there."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if name not in CALLERS or not node.args:
                continue
            first = node.args[0]
            args = first.elts if isinstance(first, ast.Tuple) else node.args
            method = args[0]
            if isinstance(method, ast.Constant) and isinstance(method.value, str):
                literals = [a for a in args if isinstance(a, ast.Dict)]
                keys = [key for literal in literals for key in literal.keys]
                named = {str(key.value) for key in keys if isinstance(key, ast.Constant)}
                yield f"{path.name}:{node.lineno}", method.value, named


FOUND = list(calls())


def test_the_search_finds_what_is_there() -> None:
    methods = {method for _, method, _ in FOUND}
    assert {"runtime.list", "execution.submit", "execution.interrupt", "runtime.kill"} <= methods


@pytest.mark.parametrize(("where", "method", "params"), FOUND, ids=[w for w, _, _ in FOUND])
def test_every_call_is_in_the_registry(where: str, method: str, params: set[str]) -> None:
    assert method in REGISTRY
    assert params <= set(REGISTRY[method].__struct_fields__)


RUNTIME: dict[str, Any] = {
    "id": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T",
    "name": "lab",
    "kernel_name": "python3",
    "language": "python",
    "ip": None,
    "transport": "ipc",
    "connection_file": "/k.json",
    "status": "alive",
    "origin": "adopted",
    "owner": None,
    "record": "metadata",
    "exit": None,
    "idle_stop_s": None,
    "activity": None,
    "pid": 1,
    "rss_bytes": None,
    "cpu_percent": None,
    "queue_length": 0,
    "private": True,
    "environment": None,
    "project": None,
    "notices": [],
}
EXECUTION: dict[str, Any] = {
    "id": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T",
    "status": "cancelled",
    "reason": None,
    "outputs": [],
    "code": "1",
    "queued_at": "2026-01-01T00:00:00.000Z",
    "requested_by": {"client": "runt", "pid": 1, "session": None},
    "runtime": {"id": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "name": "lab", "kernel_name": "python3"},
}
ANSWERS: dict[str, Any] = {
    "runtime.list": [RUNTIME],
    "runtime.get": RUNTIME,
    "runtime.start": RUNTIME,
    "runtime.restart": {"runtime": RUNTIME, "how": "SIGTERM"},
    "runtime.rename": RUNTIME,
    "runtime.remove": {},
    "runtime.stop": {"runtime": RUNTIME, "how": "SIGTERM"},
    "runtime.kill": {"runtime": RUNTIME, "how": "SIGKILL"},
    "runtime.interrupt": {"how": "signal", "execution": EXECUTION["id"], "ended": True},
    "runtime.prune": [
        {"runtime": RUNTIME["id"], "name": "lab", "connection_file": "/k.json", "reason": "dead"}
    ],
    "runtime.record": [RUNTIME],
    "runtime.forget": {"executions": 1, "blobs": 0},
    "runtime.variables": {
        "runtime": RUNTIME["id"],
        "via": "shell",
        "variables": [
            {
                "name": "a",
                "type": "int",
                "shape": None,
                "length": None,
                "size_bytes": 28,
                "repr": "1",
            }
        ],
        "total": 1,
    },
    "runtime.logs": {"runtime": RUNTIME["id"], "stdout": "", "stderr": ""},
    "execution.get": EXECUTION,
    "execution.wait": EXECUTION,
    "execution.cancel": EXECUTION,
    "execution.list": [EXECUTION],
    "execution.input": {},
    "execution.interrupt": {"how": "signal", "execution": EXECUTION["id"], "ended": True},
    "execution.output": {
        "execution": EXECUTION["id"],
        "status": "done",
        "lines": ["a"],
        "cursor": 1,
        "total_lines": 1,
        "more": False,
    },
    "environment.list": [],
    "daemon.announce": ["it is said"],
    "daemon.status": {"pid": 1, "cursor": "e.0"},
    "runtime.unknown": None,
}
#: Every verb with all of its options: what they send is checked by the service (fake_daemon).
LINES = {
    "ps": ["--all", "--kernel", "x", "--origin", "adopted", "--wide"],
    "start": [
        "python3",
        "--python",
        "./x",
        "--name",
        "n",
        "--env",
        "A=1",
        "--clean-env",
        "--idle-stop",
        "5",
        "--timeout",
        "5",
    ],
    "stop": ["a", "b", "--grace", "1", "--force"],
    "kill": ["a", "--force"],
    "restart": ["a", "--force"],
    "interrupt": ["a", "--force", "--wait", "1"],
    "rename": ["a", "b"],
    "rm": ["a"],
    "prune": ["--dry-run"],
    "logs": ["a", "--tail-bytes", "10"],
    "eval": [
        "--kernel",
        "k",
        "--python",
        "p",
        "--name",
        "n",
        "--env",
        "A=1",
        "--clean-env",
        "--group",
        "g",
        "--no-stop-on-error",
        "--cell",
        "n/c",
        "--carry-over",
        "--id",
        "01J8ZQ4X8Y6D7N5K3M2P1R0S9T",
        "--stdin",
        "--wait",
        "9",
        "1",
        "--",
        "a",
    ],
    "submit": [
        "--runtime",
        "r",
        "--group",
        "g",
        "--no-stop-on-error",
        "--cell",
        "n/c",
        "--carry-over",
        "--id",
        "01J8ZQ4X8Y6D7N5K3M2P1R0S9T",
        "--stdin",
        "1",
    ],
    "wait": ["a", "b", "--wait", "1"],
    "cancel": ["a"],
    "output": ["a", "--tail", "1", "--grep", "x", "--lines", "2", "--cursor", "0", "--mime", "t/x"],
    "show": ["a"],
    "attach": ["a", "--since", "e.0"],
    "reply": ["a", "text", "--eof"],
    "history": ["--runtime", "a", "--number", "1"],
    "vars": ["a"],
    "record": ["off", "--dir", "/x"],
    "forget": ["a", "--since", "2h", "--yes"],
    "environments": [],
    "status": [],
    "socket": [],
    "call": ["runtime.list", '{"all": true}'],
    "completion": ["bash"],
    "help": ["recording"],
}
NOUNS = {
    "ps": "runtimes",
    "start": "runtime",
    "stop": "ended",
    "kill": "ended",
    "restart": "restarted",
    "interrupt": "interrupted",
    "rename": "runtime",
    "rm": "removed",
    "prune": "pruned",
    "logs": "logs",
    "eval": "execution",
    "submit": "execution",
    "wait": "executions",
    "cancel": "executions",
    "output": "output",
    "show": "execution",
    "reply": "replied",
    "history": "executions",
    "vars": "variables",
    "record": "runtimes",
    "forget": "forgotten",
    "environments": "environments",
    "status": "status",
    "socket": "socket",
    "call": "result",
    "completion": "completion",
    "help": "help",
}


def answer_everything(serve: Serve) -> None:
    answers: dict[str, Any] = {
        name.replace(".", "__"): lambda c, p, result=result: result
        for name, result in ANSWERS.items()
    }
    serve(**{**answers, "execution__submit": running(end("cancelled"))})


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_one_json_document(serve: Serve, run: Run, verb: str) -> None:
    answer_everything(serve)
    argv = LINES[verb]
    at = argv.index("--") if "--" in argv else len(argv)
    done = run(verb, *argv[:at], "--json", *argv[at:])
    assert "Traceback" not in done.stderr
    if verb == "attach":
        assert done.stdout == ""
        return
    (line,) = done.stdout.splitlines()
    document = json.loads(line)
    assert list(document) == ["schema", NOUNS[verb]]
    assert document["schema"] == 1


@pytest.mark.parametrize("verb", [v for v in VERBS if v not in ("socket", "completion")])
def test_every_verb_prints_nothing_but_ids_when_it_is_quiet(
    serve: Serve, run: Run, verb: str
) -> None:
    answer_everything(serve)
    argv = LINES[verb]
    at = argv.index("--") if "--" in argv else len(argv)
    done = run(verb, *argv[:at], "-q", *argv[at:])
    assert done.returncode in (0, 1), done
    for line in done.stdout.splitlines():
        assert line in ("2p1r0s9t", "a", "1", RUNTIME["id"])


@pytest.mark.parametrize("verb", [*VERBS, *ALIASES])
def test_every_option_is_in_the_lines_above(verb: str) -> None:
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    if verb in ALIASES:
        assert verb not in group.list_commands(click.Context(group))
        return
    assert command.name == verb
    assert command.help
    #: Those that say where code and output go are tested one by one.
    elsewhere = {
        "--json",
        "--quiet",
        "--detach",
        "--rm",
        "--raw",
        "--value",
        "--no-stdin",
        "--file",
        "--runtime",
        "--kernel",
        "--python",
        "--name",
        "--env",
        "--clean-env",
    }
    for param in command.params:
        if isinstance(param, click.Option):
            longest = max(param.opts, key=len)
            assert longest in LINES[verb] or longest in elsewhere


def test_the_reference_is_what_the_commands_say() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
    assert page.read_text() == reference.page(), "python -m runt.reference > docs/reference/cli.md"


HEAVY = {
    "asyncio",
    "zmq",
    "apsw",
    "jupyter_client",
    "msgspec",
    "click",
    "typing",
    "dataclasses",
    "tempfile",
    "contextlib",
    "subprocess",
    "argparse",
    "logging",
    "socket",
    "selectors",
    "tabulate",
    "platformdirs",
    "inspect",
}


def test_eval_imports_next_to_nothing(serve: Serve, run: Run) -> None:
    """It has to answer in five times what an empty Python takes; importing click takes four."""
    serve(execution__submit=running(end()))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "runt", "eval", "1+1"],
        env=run.env,
        cwd=run.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "runt.live" in loaded
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "json.scanner"],
        cwd=run.directory,
        capture_output=True,
        text=True,
        timeout=30,
    )
    inherited = {line.split("|")[-1].strip() for line in bare.stderr.splitlines()}
    assert not (loaded - inherited) & HEAVY


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
