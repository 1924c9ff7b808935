"""How HTTP connections end: by the client, by the clock, with the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.server.hall import Limits
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
