"""The record over HTTP: pages, what goes on after what, and a stop while code runs."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import daemon as harness
from tests.harness.http import Answer, HttpClient, request
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.test_http import curl, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


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
def ran(served: Daemon) -> list[str]:
    """Return the ids of three executions, oldest first."""
    return [evaluate(served.state, f"marker = {n}").json["id"] for n in range(3)]


def test_a_full_page_of_a_search_has_no_next_one(served: Daemon, ran: list[str]) -> None:
    answer = curl(served.state, "/v0/search?query=marker&limit=2")
    assert (answer.status, len(answer.json)) == (200, 2)
    assert "link" not in answer.headers


@pytest.mark.parametrize("target", ["/v0/executions?limit=9", "/v0/search?query=marker"])
def test_what_a_list_goes_on_after(served: Daemon, ran: list[str], target: str) -> None:
    def page(before: str) -> Answer:
        return curl(served.state, f"{target}&before={before}")

    found = page(ran[1][-8:].lower()).json
    assert [each.get("execution", each)["id"] for each in found] == [ran[0]]
    assert page("xyz").json["name"] == "InvalidParams"
    assert (page(UNKNOWN).status, page(UNKNOWN).json["name"]) == (404, "ExecutionNotFound")


def test_which_notebook_a_list_goes_on_after(served: Daemon) -> None:
    state = served.state
    one, two = (
        curl(state, "/v0/notebooks", "--json", json.dumps({"name": name})).json["id"]
        for name in ("one", "two")
    )
    assert [each["id"] for each in curl(state, f"/v0/notebooks?before={two[-8:]}").json] == [one]
    assert curl(state, f"/v0/notebooks?before={one.lower()}").json == []
    assert curl(state, "/v0/notebooks?before=xyz").status == 400
    assert curl(state, "/v0/notebooks?before=00000000").status == 404


def test_events_of_an_execution_by_its_short_id(served: Daemon, ran: list[str]) -> None:
    with HttpClient(served.state.socket) as client:
        client.send(request("GET", f"/v0/events?since=start&execution={ran[0][-8:].lower()}"))
        while not (line := client.sock.recv(65_536)).count(b"data: "):
            assert line
        assert ran[0].encode() in line
    assert curl(served.state, "/v0/events?execution=00000000").status == 404
    assert curl(served.state, "/v0/events?execution=xyz").status == 400


def test_a_text_says_how_far_its_execution_is(served: Daemon) -> None:
    state = served.state
    text = ("-H", "Accept: text/plain")
    body = json.dumps({"code": "print(1); input()", "project": str(state.project)})
    answer = curl(state, "/v0/executions?wait_s=0", "--json", body, *text)
    assert answer.status == 201
    assert answer.headers["runt-status"] in ("queued", "running", "waiting_input")
    place = f"/v0/executions/{accepted(state)['id']}"
    assert curl(state, f"{place}/input", "--json", '{"value": "x"}').status == 204
    assert curl(state, f"{place}?wait_s=60", *text).headers["runt-status"] == "done"


def test_finds_and_notebooks_as_text(served: Daemon, ran: list[str]) -> None:
    state, text = served.state, ("-H", "Accept: text/plain")
    rows = curl(state, "/v0/search?query=marker", *text).body.decode().splitlines()
    assert (rows[0].split()[-1], len(rows)) == ("Found", 4)
    cells = [{"src": "6 * 7"}, {"src": "# words", "kind": "markdown"}]
    body = json.dumps({"name": "texts", "cells": cells})
    place = curl(state, "/v0/notebooks", "--json", body).headers["location"]
    assert curl(state, place, *text).body == b"6 * 7\n\n# words\n"
    marked = curl(state, place, "-H", "Accept: text/markdown").body
    assert marked == b"```\n6 * 7\n```\n\n# words\n"


def test_variables_as_text(served: Daemon, ran: list[str]) -> None:
    runtime = curl(served.state, f"/v0/executions/{ran[0]}").json["runtime"]["id"]
    rows = curl(served.state, f"/v0/runtimes/{runtime}/variables", "-H", "Accept: text/plain")
    assert b"Name" in rows.body.splitlines()[0]
    assert any(line.split()[:2] == [b"marker", b"int"] for line in rows.body.splitlines())


def accepted(state: State) -> dict[str, Any]:
    """Wait until an execution waits for its input, and return it."""

    def waiting() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = curl(state, "/v0/executions?status=waiting_input").json
        return found

    until(lambda: bool(waiting()), "the execution")
    return waiting()[0]


def test_who_waits_while_the_service_stops_gets_what_was_accepted(
    state: State, daemon: Daemon
) -> None:
    """A 503 with Retry-After would have curl run the code twice."""
    answers: list[Any] = []
    code = {"code": "input()", "project": str(state.project)}

    def over_http() -> None:
        answers.append(curl(state, "/v0/executions?wait_s=60", "--json", json.dumps(code)))

    def over_lines(**more: str) -> None:
        message = {"jsonrpc": "2.0", "id": 1, "method": "execution.eval", "params": code | more}
        with HttpClient(state.socket) as client:
            answers.append(client.ask(message).line())

    waiting = [
        threading.Thread(target=over_http),
        threading.Thread(target=over_lines),
        threading.Thread(target=over_lines, kwargs={"id": UNKNOWN}),
    ]
    for thread in waiting:
        thread.start()
    accepted(state)
    until(lambda: len(curl(state, "/v0/executions").json) == 3, "all that were submitted")
    daemon.stop()
    for thread in waiting:
        thread.join(60)
    (http,) = [each for each in answers if isinstance(each, Answer)]
    assert http.status == 201
    assert http.headers["location"] == f"/v0/executions/{http.json['id']}"
    assert http.json["status"] in ("queued", "running", "waiting_input")
    assert "retry-after" not in http.headers
    lines = [each for each in answers if isinstance(each, dict)]
    (without_id,) = [each["result"] for each in lines if "result" in each]
    assert without_id["status"] in ("queued", "running", "waiting_input")
    (with_id,) = [each["error"]["data"] for each in lines if "error" in each]
    assert (with_id["name"], with_id["retryable"]) == ("ShuttingDown", True)
    daemon.start()
    assert len(daemon.call("execution.list")) == 3
    daemon.stop(kernels=True)
