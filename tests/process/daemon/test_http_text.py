"""Documents as text over HTTP: within a budget, by the renderer that everybody has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.harness import daemon as harness
from tests.process.daemon.test_http import curl, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon

TEXT = ("-H", "Accept: text/plain")
MARKDOWN = ("-H", "Accept: text/markdown")
LONG = "for i in range(5000): print('line', i)"


@pytest.fixture(scope="module")
def served() -> Iterator[Daemon]:
    """One daemon for all tests of this module."""
    state = harness.State.create()
    daemon = harness.Daemon(state).start()
    try:
        yield daemon
    finally:
        daemon.dispose()
        state.dispose()


@pytest.fixture(scope="module")
def place(served: Daemon) -> str:
    """Where the execution of `LONG` is."""
    return evaluate(served.state, LONG).headers["location"]


def test_an_execution_fits(served: Daemon, place: str) -> None:
    state = served.state
    whole = curl(state, place, *TEXT)
    assert len(whole.body.decode()) <= 8001
    assert whole.headers["runt-complete"] == "false"
    short = curl(state, f"{place}?max_chars=300", *TEXT).body.decode()
    assert len(short) <= 301
    assert short.startswith("line 0\n")
    assert f"GET {place}/output" in short
    marked = curl(state, f"{place}?max_chars=600", *MARKDOWN).body.decode()
    assert len(marked) <= 601
    assert marked.startswith(f"```python\n{LONG}\n```\n\n```\nline 0\n")
    assert curl(state, f"{place}?max_chars=1000000", *TEXT).body.decode().count("\n") == 5000
    lines = curl(state, f"{place}/output?grep=4321", *TEXT)
    assert lines.body == b"line 4321\n"


@pytest.mark.parametrize("query", ["max_chars=100", "max_chars=x", "traceback=none"])
def test_what_is_no_budget_is_refused(served: Daemon, place: str, query: str) -> None:
    answer = curl(served.state, f"{place}?{query}", *TEXT)
    assert (answer.status, answer.json["name"]) == (400, "InvalidParams")


def test_who_evaluates_gets_text_that_fits(served: Daemon) -> None:
    state = served.state
    body = json.dumps({"code": LONG, "project": str(state.project)})
    answer = curl(state, "/v0/executions?wait_s=60&max_chars=300", "--json", body, *TEXT)
    assert (answer.status, answer.headers["runt-status"]) == (201, "done")
    assert len(answer.body.decode()) <= 301
    body = json.dumps({"code": "1 / 0", "project": str(state.project)})
    raised = curl(state, "/v0/executions?wait_s=60&traceback=full", "--json", body, *TEXT)
    assert raised.headers["runt-status"] == "error"
    assert "ZeroDivisionError: division by zero" in raised.body.decode()
    assert "\x1b" not in raised.body.decode()


def test_the_rendered_document(served: Daemon, place: str) -> None:
    answer = curl(served.state, f"{place}/text?max_chars=300").json
    assert len(answer["text"]) <= 300
    assert (answer["status"], answer["is_complete"], answer["total_lines"]) == ("done", False, 5000)
    assert f"GET {place}/output" in answer["text"]
    assert curl(served.state, f"{place}/text?max_chars=300", *TEXT).body.decode() == (
        answer["text"] + "\n"
    )


def test_what_goes_on_says_so(served: Daemon) -> None:
    state = served.state
    body = json.dumps({"code": "input('who? ')", "project": str(state.project)})
    place = curl(state, "/v0/executions", "--json", body).headers["location"]
    text = curl(state, place, *TEXT).body.decode()
    status = text.splitlines()[-1]
    assert status.startswith(("[queued: ", "[running: ", "[waiting_input: "))
    assert f"/v0/executions/{place[-8:].lower()}" in status
    curl(state, f"{place}/interrupt", "-X", "POST")


def test_notebooks_and_cells_fit(served: Daemon) -> None:
    state = served.state
    cells = [{"src": LONG}, {"src": "# words", "kind": "markdown"}, {"src": "6 * 7"}]
    body = json.dumps({"name": "long", "cells": cells})
    notebook = curl(state, "/v0/notebooks", "--json", body).headers["location"]
    start = json.dumps({"project": str(state.project)})
    run = curl(state, f"{notebook}/run_all", "--json", start).json
    for execution in run["executions"]:
        curl(state, f"/v0/executions/{execution['id']}?wait_s=60")
    whole = curl(state, notebook, *TEXT).body.decode()
    assert whole.startswith(f"{LONG}\nline 0\n")
    assert whole.endswith("\n# words\n\n6 * 7\n42\n")
    assert len(whole) < 2500
    sources = curl(state, f"{notebook}?outputs=false", *TEXT).body.decode()
    assert sources == f"{LONG}\n\n# words\n\n6 * 7\n"
    marked = curl(state, f"{notebook}?outputs&max_chars=600", *MARKDOWN).body.decode()
    assert len(marked) <= 601
    assert f"```\n{LONG}\n```" in marked
    assert marked.endswith("```\n6 * 7\n```\n\n```\n42\n```\n")
    first = curl(state, f"{notebook}/cells").json[0]["id"]
    cell = curl(state, f"/v0/cells/{first}?max_chars=400", *MARKDOWN).body.decode()
    assert len(cell) <= 401
    assert cell.startswith(f"```\n{LONG}\n```\n\n```\nline 0\n")
