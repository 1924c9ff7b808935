"""How HTTP connections end: by the client, by the clock, with the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.server.hall import Limits
from runtimed.server.http.connection import HttpConnection
from tests.harness.http import HttpClient, request
from tests.harness.lineserver import Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def client(service: Service, socket_path: Path) -> Iterator[HttpClient]:
    with HttpClient(socket_path) as client:
        yield client


def test_who_goes_away_ends_its_wait_and_nothing_else(service: Service, socket_path: Path) -> None:
    with HttpClient(socket_path) as waiter, HttpClient(socket_path) as worker:
        waiter.send(request("GET", "/v0/wait/a"))
        service.expect("waiting", "a")
        worker.send(request("POST", "/v0/work/b"))
        service.expect("working", "b")
    service.expect("cancelled", "a")
    with HttpClient(socket_path) as client:
        assert client.ask_for("POST", "/v0/open/b").json == 1
    service.expect("done", "b")


def test_who_goes_away_after_half_closing_ends_its_wait(
    service: Service, socket_path: Path
) -> None:
    with HttpClient(socket_path) as client:
        client.send(request("GET", "/v0/wait/a")).end()
        service.expect("waiting", "a")
    service.expect("cancelled", "a")


def test_what_was_asked_for_is_done_though_nobody_stays_to_hear(
    service: Service, socket_path: Path
) -> None:
    with HttpClient(socket_path) as client:
        client.send(request("POST", "/v0/open/b") + request("POST", "/v0/work/b"))
    service.expect("working", "b")
    service.expect("done", "b")


def test_a_head_that_does_not_end(socket_path: Path) -> None:
    with (
        serving(socket_path, Service(), Limits(http_head_s=0.2)),
        HttpClient(socket_path) as client,
    ):
        client.send(b"GET /v0/who HTTP/1.1\r\nHost: run")
        assert client.answer().status == 408
        client.end()
        assert client.is_at_end()


def test_a_body_that_does_not_go_on(socket_path: Path) -> None:
    with (
        serving(socket_path, Service(), Limits(http_head_s=0.2)),
        HttpClient(socket_path) as client,
    ):
        client.send(request("POST", "/v0/echo", b'{"value"', {"Content-Length": "100"}))
        assert client.answer().status == 408


def test_a_connection_that_nobody_uses(socket_path: Path) -> None:
    with (
        serving(socket_path, Service(), Limits(http_idle_s=0.2)),
        HttpClient(socket_path) as client,
    ):
        assert client.ask_for("GET", "/v0/who").status == 200
        assert client.is_at_end()


def test_a_stop_finishes_what_works_and_ends_what_waits(
    service: Service, socket_path: Path
) -> None:
    with (
        HttpClient(socket_path) as idle,
        HttpClient(socket_path) as waiter,
        HttpClient(socket_path) as worker,
    ):
        assert idle.ask_for("GET", "/v0/who").status == 200
        waiter.send(request("GET", "/v0/wait/a"))
        service.expect("waiting", "a")
        worker.send(request("POST", "/v0/work/b"))
        service.expect("working", "b")
        service.stop_soon()
        answer = waiter.answer()
        assert (answer.status, answer.json["name"]) == (503, "ShuttingDown")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["connection"] == "close"
        assert idle.is_at_end()
        service.expect("cancelled", "a")
        service.run_soon(service.gate("b").set)
        answer = worker.answer()
        assert (answer.status, answer.json) == (200, "b")


def test_what_takes_longer_than_the_grace_is_told_so(socket_path: Path) -> None:
    service = Service()
    service.grace_s = 0.1
    with serving(socket_path, service), HttpClient(socket_path) as client:
        client.send(request("POST", "/v0/work/b"))
        service.expect("working", "b")
        service.stop_soon()
        answer = client.answer()
        assert (answer.status, answer.json["name"]) == (503, "ShuttingDown")
        service.expect("cancelled", "b")


def test_a_stop_in_the_middle_of_a_request(service: Service, socket_path: Path) -> None:
    service.grace_s = 0.1
    with HttpClient(socket_path) as head, HttpClient(socket_path) as body:
        head.send(b"GET /v0/who HT")
        body.send(request("POST", "/v0/echo", b'{"val', {"Content-Length": "50"}))
        with HttpClient(socket_path) as third:  # both were read before this is answered
            assert third.ask_for("GET", "/v0/who").status == 200
        service.stop_soon()
        assert head.is_at_end()
        assert body.answer().status == 503


def test_more_than_a_peer_reads(service: Service, socket_path: Path) -> None:
    """Large answers to who reads late come whole; others are served meanwhile."""
    body = {"value": "x" * 1_000, "times": 20_000}
    with HttpClient(socket_path) as lazy, HttpClient(socket_path) as other:
        lazy.send(request("POST", "/v0/echo", body) * 2)
        assert other.ask_for("GET", "/v0/who").status == 200
        for _ in range(2):
            assert len(lazy.answer().json) == 20_000_000


def test_who_goes_away_after_a_large_body_ends_its_wait(
    service: Service, socket_path: Path
) -> None:
    gate = "a" * 300_000
    call = {"jsonrpc": "2.0", "id": 1, "method": "wait", "params": {"gate": gate}}
    with HttpClient(socket_path) as client:
        client.send(request("POST", "/rpc", call))
        service.expect("waiting", gate)
    service.expect("cancelled", gate)


def test_who_goes_away_after_much_that_was_sent_ahead_ends_its_wait(
    service: Service, socket_path: Path
) -> None:
    with HttpClient(socket_path) as client:
        client.send(request("GET", "/v0/wait/a"))
        service.expect("waiting", "a")
        client.sock.setblocking(False)
        ahead = request("GET", "/v0/who") * 10_000
        client.sock.send(ahead)
    service.expect("cancelled", "a")


def test_a_body_that_comes_too_slowly(socket_path: Path) -> None:
    """It goes on coming, a byte now and then; its room is others' again all the same."""
    limits = Limits(http_head_s=0.3, http_body_bytes_per_s=1_000)
    with serving(socket_path, Service(), limits), HttpClient(socket_path) as client:
        client.send(request("POST", "/v0/echo", b'{"value"', {"Content-Length": "100000"}))
        client.sock.settimeout(0.05)
        answer = b""
        for _ in range(600):
            client.send(b" ")
            try:
                answer = client.sock.recv(1_000)
                break
            except TimeoutError:
                pass
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_bodies_that_take_all_the_room(socket_path: Path) -> None:
    limits = Limits(unended_bytes=10_000)
    with (
        serving(socket_path, Service(), limits),
        HttpClient(socket_path) as hoarder,
        HttpClient(socket_path) as other,
    ):
        half = request("POST", "/v0/echo", b" " * 9_000, {"Content-Length": "20000"})
        hoarder.send(half)
        other.send(half)
        answers = [other.answer()]
        assert [answer.status for answer in answers] == [503]
        assert answers[0].headers["retry-after"] == "1"
        problem = answers[0].json
        assert (problem["name"], problem["exit_code"], problem["retryable"]) == (
            "Unavailable",
            5,
            True,
        )


@pytest.mark.parametrize("verb", ["HEAD", "GET"])
def test_a_stop_in_the_middle_of_a_body_that_nobody_needs(socket_path: Path, verb: str) -> None:
    service = Service()
    service.grace_s = 0.1
    with (
        serving(socket_path, service),
        HttpClient(socket_path) as first,
        HttpClient(socket_path) as second,
    ):
        begun = request(verb, "/v0/who", b"{", {"Content-Length": "50"})
        first.send(begun)
        second.send(begun)
        with HttpClient(socket_path) as third:
            assert third.ask_for("GET", "/v0/who").status == 200
        service.stop_soon()
        for client in (first, second):
            answer = client.answer(is_head=verb == "HEAD")
            assert answer.status == 503
            assert client.is_at_end()


def test_a_connection_that_cannot_be_cut_keeps_no_other_from_it(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cut = HttpConnection.cut
    failed: list[HttpConnection] = []

    def failing(self: HttpConnection) -> None:
        if not failed:
            failed.append(self)
            raise ZeroDivisionError
        cut(self)

    monkeypatch.setattr(HttpConnection, "cut", failing)
    service = Service()
    service.grace_s = 0.1
    with (
        serving(socket_path, service),
        HttpClient(socket_path) as first,
        HttpClient(socket_path) as second,
    ):
        for client, gate in ((first, "a"), (second, "b")):
            client.send(request("POST", f"/v0/work/{gate}"))
            service.expect("working", gate)
        service.stop_soon()
        assert sorted(client.rest()[:12] for client in (first, second)) == [b"", b"HTTP/1.1 503"]
        for gate in ("a", "b"):
            service.run_soon(service.gate(gate).set)
    assert "could not be told" in caplog.text


def test_who_sends_many_at_once_gives_others_a_turn(service: Service, socket_path: Path) -> None:
    """Between its requests, and within a body: else the other's answer would come last."""
    with HttpClient(socket_path) as many, HttpClient(socket_path) as other:
        other.send(request("GET", "/v0/wait/a"))
        service.expect("waiting", "a")
        turns: list[int] = []

        def count(rest: int) -> None:
            turns.append(rest)
            if rest:
                service.run_soon(count, rest - 1)

        head = b"POST /v0/nothing HTTP/1.1\r\nHost: runtimed\r\nTransfer-Encoding: chunked\r\n\r\n"
        many.send(head + b"1\r\nx\r\n" * 2_000 + b"0\r\n\r\n" + request("OPTIONS", "*") * 50)
        service.run_soon(count, 20)
        assert many.answer().status == 404
        for _ in range(50):
            assert many.answer().status == 204
        assert len(turns) == 21
        service.run_soon(service.gate("a").set)
        assert other.answer().json == "a"
