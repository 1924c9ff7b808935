"""Events over HTTP, as curl gets them from the real daemon."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.curl import EventSource, curl
from tests.harness.sse import EventReader
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from tests.harness.daemon import State
    from tests.process.daemon.executions.conftest import Repl

PRINTS = "for number in range(5): print(number, flush=True)"


def problem(answer: str) -> tuple[int, str]:
    head, _, body = answer.partition("\n\n")
    return int(head.split()[1]), json.loads(body)["name"]


def test_an_execution_from_its_beginning_to_its_end(state: State, repl: Repl) -> None:
    execution = repl.submit(PRINTS)
    with EventSource.at_socket(state, f"/v0/executions/{execution}/events") as source:
        source.to_the_end()
    assert source.process.returncode == 0, "the stream has an end of its own"
    documents = source.documents
    assert [event.type for event in source.events] == [each["type"] for each in documents]
    assert [event.id for event in source.events] == [each["cursor"] for each in documents]
    assert {each["execution"] for each in documents} == {execution}
    assert documents[0]["data"]["code"] == PRINTS
    assert source.text == "0\n1\n2\n3\n4\n"
    assert documents[-1]["data"]["status"] == "done"


def test_one_that_has_ended_is_shown_again_by_its_short_id(state: State, repl: Repl) -> None:
    execution = repl.eval(PRINTS)["id"]
    path = f"/v0/executions/{execution[-8:].lower()}/events"
    with EventSource.at_socket(state, path) as source:
        whole = source.to_the_end().events
    assert source.text == "0\n1\n2\n3\n4\n"
    with EventSource.at_socket(state, path, whole[2].id) as source:
        resumed = source.to_the_end().events
    assert [event.id for event in resumed] == [event.id for event in whole[3:]]
    with EventSource.at_socket(state, f"{path}?types=gap") as source:
        (last,) = source.to_the_end().documents
    assert last["data"]["status"] == "done"


def test_resumed_after_its_end_there_is_nothing_to_come_again_for(state: State, repl: Repl) -> None:
    execution = repl.eval("1")["id"]
    path = f"/v0/executions/{execution}/events"
    with EventSource.at_socket(state, path) as source:
        last = source.to_the_end().events[-1].id
    answer = curl(state, path, "-H", f"Last-Event-ID: {last}").stdout
    assert answer.startswith("HTTP/1.1 204 ")


def test_a_runtime_comes_first_and_then_what_happens_in_it(state: State, repl: Repl) -> None:
    path = f"/v0/runtimes/{repl.id}/attach"
    with EventSource.at_socket(state, path) as source:
        first = source.until(lambda it: it.events).documents[0]
        assert (first["type"], first["runtime"]) == ("runtime", repl.id)
        assert first["data"].keys() == repl.daemon.call("runtime.get", runtime=repl.id).keys()
        execution = repl.eval("print('seen')")["id"]
        source.until(lambda it: it.documents[-1]["data"].get("status") == "done")
        assert source.text == "seen\n"
        assert {each["execution"] for each in source.documents[1:]} >= {execution}
        numbers = [each["seq"] for each in source.documents]
        assert numbers == sorted(set(numbers))
    with EventSource.at_socket(state, path, source.events[0].id) as resumed:
        resumed.until(lambda it: len(it.events) == len(source.events) - 1)
    assert [each.id for each in resumed.events] == [each.id for each in source.events[1:]]


def test_all_events_or_those_of_some_types(state: State, repl: Repl) -> None:
    cursor = repl.daemon.call("daemon.status")["cursor"]
    repl.eval("print('one')")
    path = f"/v0/events?since={cursor}&types=output&types=gap&runtime={repl.id}"
    with EventSource.at_socket(state, path) as source:
        source.until(lambda it: it.events)
        assert source.text == "one\n"
    with EventSource.at_socket(state, "/v0/events?since=start") as source:
        source.until(lambda it: it.text.endswith("one\n"))
        assert source.documents[0]["seq"] == 1


def test_what_cannot_be_had_is_a_problem_before_the_stream(state: State, repl: Repl) -> None:
    for path, expected in {
        "/v0/events?since=other.1": (409, "StaleCursor"),
        "/v0/events?types=nonsense": (400, "InvalidParams"),
        "/v0/events?execution=short": (400, "InvalidParams"),
        "/v0/runtimes/nobody/attach": (404, "RuntimeNotFound"),
        "/v0/executions/nobody/events": (404, "ExecutionNotFound"),
    }.items():
        assert problem(curl(state, path).stdout) == expected, path
    unwanted = curl(state, "/v0/events", "-H", "Accept: application/json").stdout
    assert problem(unwanted) == (406, "BadRequest")
    stale = curl(state, "/v0/events", "-H", "Last-Event-ID: other.1").stdout
    assert problem(stale) == (409, "StaleCursor")


def test_a_comment_says_that_the_connection_lives(state: State, repl: Repl) -> None:
    with EventSource.at_socket(state, f"/v0/runtimes/{repl.id}/attach") as source:
        source.until(lambda it: it.reader.comments >= 3)
        assert len(source.events) == 1


def test_a_client_that_is_killed_leaves_nothing(state: State, repl: Repl) -> None:
    def sockets() -> int:
        folder = Path(f"/proc/{repl.daemon.pid}/fd")
        links = [os.readlink(each) for each in folder.iterdir() if each.is_symlink()]
        return sum(link.startswith("socket:") for link in links)

    with ExitStack() as sources:
        for _ in range(5):
            source = sources.enter_context(EventSource.at_socket(state, "/v0/events?since=start"))
            source.until(lambda it: it.events)
        open_ones = sockets()
    until(lambda: sockets() <= open_ones - 5, "the sockets to be closed")
    assert repl.value("1 + 1") == "2"


def test_a_slow_reader_is_told_and_loses_nothing(state: State, repl: Repl) -> None:
    cursor = repl.daemon.call("daemon.status")["cursor"]
    path = f"/v0/runtimes/{repl.id}/attach?since={cursor}"
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(state.socket))
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: runtimed\r\n\r\n".encode())
        repl.eval("for n in range(300): print(str(n) * 20_000, flush=True)")
        reader, events = EventReader(), []
        stream = slow.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        while size := int(stream.readline(), 16):
            events += reader.feed(stream.read(size))
            stream.readline()
    assert events[-1].type == "lagged"
    lagged = EventSource.at_socket(state, path, reader.last_event_id)
    with lagged:
        lagged.events = events[:-1]
        lagged.until(lambda it: it.documents[-1]["data"].get("status") == "done")
        assert lagged.text.split() == [str(n) * 20_000 for n in range(300)]
