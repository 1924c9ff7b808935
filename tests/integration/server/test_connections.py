"""How connections end, and what is answered before they do."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from runtimed.server.hall import Limits
from tests.harness.lineserver import PATIENCE_S, RawClient, Service, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE_LIMIT = 10_000


@pytest.fixture
def limited(socket_path: Path) -> Iterator[Service]:
    limits = Limits(line_bytes=LINE_LIMIT, in_flight=4, unread_bytes=200_000, event_bytes=20_000)
    with serving(socket_path, Service(queue_size=50), limits) as service:
        yield service


def test_after_its_half_close_a_client_still_gets_all_answers(
    raw: RawClient, service: Service, socket_path: Path
) -> None:
    raw.ask(request(1, "wait", gate="g"), request(2, "echo", value=2)).end()
    assert raw.line()["id"] == 2
    service.expect("waiting", "g")
    with RawClient(socket_path) as other:
        other.ask(request(1, "open", gate="g")).line()
    assert raw.line()["result"] == "g"
    assert raw.line() is None


def test_a_last_line_without_its_end_is_a_request(raw: RawClient) -> None:
    raw.send(b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":5}}').end()
    assert raw.line()["result"] == 5
    assert raw.line() is None


def test_half_a_line_and_then_the_end(raw: RawClient) -> None:
    raw.send(b'{"jsonrpc":"2.0","id":1,"met').end()
    assert raw.line()["error"]["code"] == -32700
    assert raw.line() is None


def test_nothing_and_then_the_end(raw: RawClient) -> None:
    assert raw.end().line() is None


def test_half_a_line_and_gone(raw: RawClient, service: Service, socket_path: Path) -> None:
    raw.send(b'{"jsonrpc":"2.0","id":1,"method":"work","params":{"ga').close()
    with RawClient(socket_path) as other:
        other.ask(request(1, "echo", value=1))
        assert other.line()["result"] == 1
    assert service.seen.empty()


def test_a_peer_that_vanishes_cancels_its_wait(raw: RawClient, service: Service) -> None:
    raw.ask(request(1, "wait", gate="g"))
    service.expect("waiting", "g")
    raw.close()
    service.expect("cancelled", "g")


def test_a_peer_that_vanishes_after_its_half_close_cancels_its_wait(
    raw: RawClient, service: Service, socket_path: Path
) -> None:
    raw.ask(request(1, "wait", gate="g")).end()
    service.expect("waiting", "g")
    with RawClient(socket_path) as other:  # it is not gone yet, and nobody thinks so
        other.ask(request(1, "echo", value=1)).line()
        assert service.seen.empty()
    raw.close()
    service.expect("cancelled", "g")


def test_a_peer_that_vanishes_does_not_cancel_its_work(
    raw: RawClient, service: Service, socket_path: Path
) -> None:
    raw.ask(request(1, "work", gate="w"), request(2, "wait", gate="never"))
    service.expect("working", "w")
    service.expect("waiting", "never")
    raw.close()
    service.expect("cancelled", "never")
    with RawClient(socket_path) as other:
        other.ask(request(1, "open", gate="w")).line()
    service.expect("done", "w")


def test_what_was_sent_before_the_peer_vanished_is_executed(
    raw: RawClient, service: Service
) -> None:
    service.run_soon(service.gate("g").set)
    notes = [{"jsonrpc": "2.0", "method": "work", "params": {"gate": "g"}}] * 1000
    raw.ask(*notes).close()
    seen = [service.seen.get(timeout=PATIENCE_S)[0] for _ in range(2000)]
    assert seen.count("done") == 1000


def test_more_requests_than_may_be_in_flight(limited: Service, socket_path: Path) -> None:
    with RawClient(socket_path) as raw, RawClient(socket_path) as other:
        raw.ask(*(request(n, "wait", gate=f"g{n}") for n in range(10)))
        for n in range(4):
            limited.expect("waiting", f"g{n}")
        other.ask(request(0, "echo")).line()
        assert limited.seen.empty()  # the fifth is not started
        for n in range(10):
            other.ask(request(0, "open", gate=f"g{n}")).line()
            assert raw.line()["id"] == n


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_over_the_limit(limited: Service, socket_path: Path, end: bytes) -> None:
    with RawClient(socket_path) as raw:
        raw.ask(request(1, "echo", value=1))
        raw.send(b'{"jsonrpc":"2.0","id":2,"value":"' + b"x" * LINE_LIMIT * 50 + end)
        raw.ask(request(3, "work", gate="after"))
        answers = {each["id"]: each for each in (raw.line(), raw.line())}
        assert answers[1]["result"] == 1
        answer = answers[None]
        assert (answer["id"], answer["error"]["data"]["name"]) == (None, "RequestTooLarge")
        assert str(LINE_LIMIT) in answer["error"]["message"]
        assert raw.line() is None
    assert limited.seen.empty()


def test_a_line_at_the_limit(limited: Service, socket_path: Path) -> None:
    line = b'{"jsonrpc":"2.0","id":1,"method":"echo"}'
    with RawClient(socket_path) as raw:
        raw.send(line + b" " * (LINE_LIMIT - len(line)) + b"\r\n")
        assert "result" in raw.line()
        raw.send(line + b" " * (LINE_LIMIT + 1 - len(line)) + b"\r\n")
        assert raw.line()["error"]["data"]["name"] == "RequestTooLarge"


def test_a_line_over_the_limit_waits_for_answers_in_flight(
    limited: Service, socket_path: Path
) -> None:
    with RawClient(socket_path) as raw, RawClient(socket_path) as other:
        raw.ask(request(1, "wait", gate="g")).send(b"{" * LINE_LIMIT * 2)
        assert raw.line()["error"]["data"]["name"] == "RequestTooLarge"
        other.ask(request(1, "open", gate="g")).line()
        assert raw.line()["result"] == "g"
        assert raw.line() is None


def test_lines_without_an_end_are_bounded_over_all_connections(socket_path: Path) -> None:
    """Who adds to them past the bound is told and hung up on; the others go on."""
    half = b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":"' + b"x" * 6000
    limits = Limits(line_bytes=LINE_LIMIT, unended_bytes=2 * LINE_LIMIT)
    with serving(socket_path, Service(), limits), ExitStack() as stack:

        def begin_line() -> RawClient:
            client = stack.enter_context(RawClient(socket_path))
            # Its first answer is there: all that it sends is counted from here on.
            client.ask(request(0, "echo", value=0)).line()
            return client.send(half)

        for _ in range(3):
            first, second, third = begin_line(), begin_line(), begin_line()
            answered(socket_path)
            fourth = begin_line()
            assert fourth.line()["error"]["data"]["name"] == "RequestTooLarge"
            assert fourth.line() is None
            third.close()
            while not has_room(socket_path):
                pass
            for client in (first, second):
                client.send(b'"}}\n')
                assert client.line()["result"] == "x" * 6000
            first.send(half).end()
            assert first.line()["error"]["code"] == -32700
            second.close()


def answered(socket_path: Path) -> None:
    """Return when the server has read what was sent before: it takes its clients in turns."""
    with RawClient(socket_path) as client:
        client.ask(request(0, "echo", value=0)).line()


def has_room(socket_path: Path) -> bool:
    """Say whether a line of 6,000 bytes that has not ended yet is taken."""
    with RawClient(socket_path) as client:
        client.send(b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":"' + b"x" * 6000)
        client.send(b'"}}\n').end()
        return "result" in client.line()


def test_an_answer_larger_than_the_bound_reaches_a_reader(
    limited: Service, socket_path: Path
) -> None:
    with RawClient(socket_path) as raw:
        raw.ask(request(1, "echo", value="x" * 1000, times=1000))
        assert len(raw.line()["result"]) == 1_000_000


def test_a_reader_that_stops_is_hung_up_on(
    limited: Service, socket_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RawClient(socket_path) as raw, RawClient(socket_path) as other:
        big = request(1, "echo", value="x" * 1000, times=500)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1000):
                raw.ask(big)
                other.ask(request(2, "echo", value="other"))  # nobody else notices
                assert other.line()["result"] == "other"
    assert "does not read its answers" in caplog.text


def test_a_reader_that_only_reads_later(raw: RawClient) -> None:
    ask = threading.Thread(
        target=raw.ask, args=[request(n, "echo", value="x" * 1000) for n in range(5000)]
    )
    ask.start()
    ask.join(PATIENCE_S)
    assert not ask.is_alive()
    assert sorted(raw.line()["id"] for _ in range(5000)) == list(range(5000))


def test_the_end_of_the_service_is_told_to_who_waits(
    raw: RawClient, service: Service, socket_path: Path
) -> None:
    raw.ask(request(1, "wait", gate="g"))
    service.expect("waiting", "g")
    service.stop_soon()
    error = raw.line()["error"]
    assert (error["data"]["name"], error["data"]["retryable"]) == ("ShuttingDown", True)
    assert raw.line() is None
    assert not socket_path.exists()


def test_the_end_of_the_service_lets_work_finish(raw: RawClient, service: Service) -> None:
    service.grace_s = PATIENCE_S
    raw.ask(request(1, "work", gate="w"), request(2, "wait", gate="g"))
    service.expect("working", "w")
    service.expect("waiting", "g")
    service.stop_soon()
    assert raw.line()["error"]["data"]["name"] == "ShuttingDown"
    service.run_soon(service.gate("w").set)
    assert raw.line()["result"] == "w"
    assert raw.line() is None


def test_the_end_of_the_service_does_not_wait_for_ever(raw: RawClient, service: Service) -> None:
    service.grace_s = 0.01
    raw.ask(request(1, "work", gate="w"))
    service.expect("working", "w")
    service.stop_soon()
    service.expect("cancelled", "w")
    assert raw.line()["error"]["data"]["name"] == "ShuttingDown"
    assert raw.line() is None


def test_the_end_of_the_service_comes_though_a_peer_does_not_read(socket_path: Path) -> None:
    service = Service()
    service.grace_s = 0.01
    with RawClientLater(socket_path) as later, serving(socket_path, service):
        raw = later.connect()
        raw.ask(request(1, "echo", value="x" * 1000, times=10_000))
        raw.sock.recv(1, socket.MSG_PEEK)
    # Leaving `serving` asserts that the server has stopped.


class RawClientLater:
    """A client that outlives the server it connects to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: RawClient | None = None

    def connect(self) -> RawClient:
        self._client = RawClient(self._path)
        return self._client

    def __enter__(self) -> RawClientLater:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._client is not None:
            self._client.close()
