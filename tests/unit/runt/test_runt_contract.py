"""What `runt` promises about itself: its calls exist, its reference is true, it starts light."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import runt
from runt import reference
from runt.group import ALIASES, VERBS, group
from runtimed.api.registry import REGISTRY
from tests.harness.script import end, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.runt.conftest import Run, Serve

SOURCES = sorted(Path(next(iter(runt.__path__))).rglob("*.py"))
#: Functions of `runt` whose first argument is a method of the API.
CALLERS = {"ask", "call", "call_again", "request", "end_all", "open"}


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
    "runtime.logs": {
        "runtime": RUNTIME["id"],
        "stdout": "",
        "stderr": "",
        "stdout_end": 0,
        "stderr_end": 0,
        "ended": True,
    },
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
    "daemon.config": {"file": "/nowhere/config.toml", "settings": []},
    "daemon.status": {"pid": 1, "cursor": "e.0"},
    "daemon.forget_transports": [{"path": "/k", "noted_at": "2026-01-01T00:00:00.000Z"}],
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
        "--memory",
        "2G",
        "--tasks",
        "200",
        "--soft-limits",
    ],
    "stop": ["a", "b", "--grace", "1", "--force"],
    "kill": ["a", "--force"],
    "restart": ["a", "--force"],
    "interrupt": ["a", "--force", "--wait", "1"],
    "rename": ["a", "b"],
    "rm": ["a"],
    "prune": ["--dry-run"],
    "logs": ["a", "--tail-bytes", "10", "--lines", "1", "--follow", "--stdout", "--stderr"],
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
    "config": ["list"],
    "service": ["stop"],
    "doctor": ["--fix", "--yes", "--forget-transports", "--archive", "a.tar.gz"],
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
    "config": "settings",
    "service": "service",
    "doctor": "doctor",
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


@pytest.mark.parametrize(
    "verb", [v for v in VERBS if v not in ("socket", "completion", "config", "doctor")]
)
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
    #: Those that say where code and output go are tested one by one, and what excludes another.
    elsewhere = {
        "--cpus",
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


def loaded_by(run: Run, *words: str) -> set[str]:
    """Return the modules that Python loads when it runs this module."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *words],
        env=run.env,
        cwd=run.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    return {line.split("|")[-1].strip() for line in done.stderr.splitlines()}


def test_eval_imports_next_to_nothing(serve: Serve, run: Run) -> None:
    """It has to answer in five times what an empty Python takes; importing click takes four."""
    serve(execution__submit=running(end()))
    loaded = loaded_by(run, "runt", "eval", "1+1")
    assert "runt.live" in loaded
    assert not (loaded - loaded_by(run, "json.scanner")) & HEAVY
