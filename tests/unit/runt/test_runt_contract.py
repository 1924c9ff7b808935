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
from tests.unit.runt.verbs import ANSWERS, LINES, NOUNS, RUNTIME

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
    *events, line = done.stdout.splitlines()
    document = json.loads(line)
    # What runs is told of as it runs; the last line is what came of it.
    assert not events or verb in ("eval", "run")
    assert all(list(json.loads(event)) == ["schema", "event"] for event in events)
    assert list(document) == ["schema", NOUNS[verb]]
    assert document["schema"] == 1


WITHOUT_IDS = ("run", "serve", "mcp", "tools", "socket", "completion", "config", "doctor")


@pytest.mark.parametrize(
    "verb",
    [v for v in VERBS if v not in WITHOUT_IDS],
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
def test_every_option_is_in_the_lines(verb: str) -> None:
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    if verb in ALIASES:
        assert verb not in group.list_commands(click.Context(group))
        return
    assert command.name == verb
    assert command.help
    #: Those that say where code and output go are tested one by one, and what excludes another.
    elsewhere = {
        "--attach",
        "--by",
        "--html",
        "--notebook",
        "--py",
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
        "--with",
        "--format",
        "--max-chars",
        "--save-images",
        "--agent",
        "--strict",
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
