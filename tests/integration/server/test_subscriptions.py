"""Events on a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.server.hall import Limits
from tests.harness.lineserver import RawClient, Service, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUE_SIZE = 50


def subscribe(raw: RawClient) -> str:
    raw.ask(request("sub", "events.subscribe"))
    answer = raw.line()
    assert answer["id"] == "sub"  # before its first event, though that was there already
    assert event(raw)["data"] == {"text": "already there"}
    subscription: str = answer["result"]["subscription"]
    return subscription


def event(raw: RawClient) -> Any:
    message = raw.line()
    assert message.keys() == {"jsonrpc", "method", "params"}
    assert message["method"] == "event"
    return message["params"]


def test_events_come_in_order(raw: RawClient, service: Service) -> None:
    subscription = subscribe(raw)
    stream = service.streams[subscription]
    for n in range(20):
        service.run_soon(stream.emit, f"e{n}")
    events = [event(raw) for _ in range(20)]
    assert [each["data"]["text"] for each in events] == [f"e{n}" for n in range(20)]
    assert [each["seq"] for each in events] == list(range(2, 22))
    assert {each["subscription"] for each in events} == {subscription}


def test_calls_go_on_beside_events(raw: RawClient, service: Service) -> None:
    stream = service.streams[subscribe(raw)]
    raw.ask(request(1, "echo", value="beside"))
    assert raw.line()["result"] == "beside"
    service.run_soon(stream.emit, "after")
    assert event(raw)["data"] == {"text": "after"}


def test_events_go_on_after_a_half_close(raw: RawClient, service: Service) -> None:
    stream = service.streams[subscribe(raw)]
    raw.end()
    for n in range(3):
        service.run_soon(stream.emit, f"e{n}")
        assert event(raw)["data"] == {"text": f"e{n}"}


def test_unsubscribing_ends_only_that_one(raw: RawClient, service: Service) -> None:
    first, second = subscribe(raw), subscribe(raw)
    raw.ask(request(1, "events.unsubscribe", subscription=first))
    assert "result" in raw.line()
    service.run_soon(service.streams[first].emit, "unheard")
    service.run_soon(service.streams[second].emit, "heard")
    assert event(raw)["data"] == {"text": "heard"}
    assert service.streams[first].is_closed


def test_a_subscription_ends_with_its_connection(raw: RawClient, service: Service) -> None:
    stream = service.streams[subscribe(raw)]
    raw.close()
    service.closings(1)
    assert stream.is_closed


def test_a_subscription_ends_with_a_peer_that_had_half_closed(
    raw: RawClient, service: Service
) -> None:
    stream = service.streams[subscribe(raw)]
    raw.end()
    raw.close()
    service.closings(1)
    assert stream.is_closed


def test_subscriptions_end_with_connections_that_do_not_wait_for_an_answer(
    service: Service, socket_path: Path
) -> None:
    count = 200
    for _ in range(count):
        with RawClient(socket_path) as hasty:
            hasty.ask(request(1, "events.subscribe"))
    service.closings(count)
    assert all(stream.is_closed for stream in service.streams.values())


def test_a_subscription_in_a_batch_that_is_never_answered_ends(
    raw: RawClient, service: Service
) -> None:
    raw.ask([request(1, "wait", gate="never"), request(2, "events.subscribe")])
    service.expect("waiting", "never")
    raw.ask(request(3, "echo"))
    assert raw.line()["id"] == 3  # so the subscription is there
    (stream,) = service.streams.values()
    raw.close()
    service.expect("cancelled", "never")
    service.closings(1)
    assert stream.is_closed


def test_the_end_of_the_service_ends_subscriptions(raw: RawClient, service: Service) -> None:
    stream = service.streams[subscribe(raw)]
    service.stop_soon()
    assert raw.line() is None
    service.closings(1)
    assert stream.is_closed


@pytest.fixture
def narrow(socket_path: Path) -> Iterator[Service]:
    limits = Limits(event_bytes=20_000)
    with serving(socket_path, Service(queue_size=QUEUE_SIZE), limits) as service:
        yield service


def test_a_reader_that_stops_is_told_that_it_lagged_and_nobody_else_notices(
    narrow: Service, socket_path: Path
) -> None:
    with RawClient(socket_path) as slow, RawClient(socket_path) as quick:
        slow_stream = narrow.streams[subscribe(slow)]
        quick_stream = narrow.streams[subscribe(quick)]
        count = 2000
        for n in range(count):
            narrow.run_soon(slow_stream.emit, f"{n} " + "x" * 1000)
            narrow.run_soon(quick_stream.emit, f"{n}")
            assert event(quick)["data"] == {"text": f"{n}"}
        events: list[Any] = []
        while not events or events[-1]["type"] != "lagged":
            events.append(event(slow))
        texts = [int(each["data"]["text"].split()[0]) for each in events[:-1]]
        assert texts == list(range(len(texts)))  # once, in order, from the first on
        assert 0 < len(texts) < count
        slow.ask(request(1, "echo", value="still answered"))
        assert slow.line()["result"] == "still answered"
