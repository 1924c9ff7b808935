"""Event streams over HTTP: how they begin, live and end, over a stand-in for the hub."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from runtimed.server.hall import Limits
from tests.harness.lineserver import RawClient, Service, request, serving
from tests.harness.sse import EventReader, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GET = b"GET /v0/events HTTP/1.1\r\nHost: runtimed\r\n\r\n"


class Reading:
    """Reads a chunked event stream to a point."""

    def __init__(self, client: RawClient) -> None:
        self._sock = client.sock
        self._raw = b""
        self.head = b""
        self.reader = EventReader()
        self.events: list[ServerSentEvent] = []
        self.has_ended = False
        self._sock.sendall(GET)

    def until(self, is_enough: Callable[[Reading], object]) -> Reading:
        while not is_enough(self):
            received = self._sock.recv(65_536)
            assert received, "it hung up"
            self._raw += received
            if not self.head and b"\r\n\r\n" in self._raw:
                self.head, _, self._raw = self._raw.partition(b"\r\n\r\n")
            while self.head and self._take_chunk():
                pass
        return self

    def _take_chunk(self) -> bool:
        size, found, rest = self._raw.partition(b"\r\n")
        length = int(size, 16) if found else 0
        if not found or len(rest) < length + 2:
            return False
        self.events += self.reader.feed(rest[:length])
        self.has_ended = length == 0
        self._raw = rest[length + 2 :]
        return not self.has_ended


def test_it_says_what_it_is_before_anything_happens(service: Service, raw: RawClient) -> None:
    reading = Reading(raw).until(lambda it: it.events)
    assert reading.head.startswith(b"HTTP/1.1 200 OK\r\n")
    for line in (b"Content-Type: text/event-stream", b"Cache-Control: no-store"):
        assert b"\r\n" + line in reading.head
    assert reading.reader.retry_ms == 1000
    (event,) = reading.events
    assert (event.type, event.id) == ("output", "e.1")
    assert '"text":"already there"' in event.data


def test_a_heartbeat_where_nothing_happens(socket_path: Path) -> None:
    limits = Limits(event_heartbeat_s=0.05)
    with serving(socket_path, Service(), limits) as service, RawClient(socket_path) as raw:
        reading = Reading(raw).until(lambda it: it.reader.comments >= 2)
        service.run_soon(service.streams["s1"].emit, "and then")
        reading.until(lambda it: len(it.events) == 2)
        assert [event.id for event in reading.events] == ["e.1", "e.2"]


def test_who_goes_leaves_no_subscription(service: Service, socket_path: Path) -> None:
    with RawClient(socket_path) as client:
        Reading(client).until(lambda it: it.events)
    service.closings(1)
    with RawClient(socket_path) as client:  # before it was answered
        client.send(GET)
    service.closings(1)


def test_a_head_alone_leaves_no_subscription(service: Service, raw: RawClient) -> None:
    raw.send(GET.replace(b"GET", b"HEAD"))
    service.closings(1)
    raw.send(GET.replace(b"/events", b"/nowhere"))
    head = b""
    while head.count(b"\r\n\r\n") < 2:
        head += raw.sock.recv(65_536)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\nHTTP/1.1 404 " in head


def test_a_slow_reader_is_told_at_the_end_and_nobody_waits_for_it(socket_path: Path) -> None:
    limits = Limits(event_bytes=4096)
    service = Service(queue_size=3)
    with serving(socket_path, service, limits), RawClient(socket_path) as raw:
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reading = Reading(raw).until(lambda it: it.events)
        with RawClient(socket_path) as other:
            for number in range(200):
                service.run_soon(service.streams["s1"].emit, "x" * 10_000)
                assert other.ask(request(number, "echo", value=number)).line()["result"] == number
        reading.until(lambda it: it.has_ended)
    assert reading.events[-1].type == "lagged"
    assert 1 < len(reading.events) < 201
    ids = [int(event.id.partition(".")[2]) for event in reading.events[:-1]]
    assert ids == list(range(1, len(ids) + 1))


def test_it_ends_with_the_service(socket_path: Path) -> None:
    with serving(socket_path, Service()) as service, RawClient(socket_path) as raw:
        reading = Reading(raw).until(lambda it: it.events)
        service.stop_soon()
        reading.until(lambda it: it.has_ended)
        service.closings(1)
        assert raw.rest() == b""
