"""What passes between a client on TCP and the daemon's socket, in both directions."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from runtimed.gateway import protocol
from tests.harness.http_upstream import Visit, upstream
from tests.integration.gateway.conftest import PAGE, TOKEN, gateway

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def done(visit: Visit) -> None:
    await visit.read_head()
    await visit.say(
        b'HTTP/1.1 201 Created\r\nLocation: /v0/runtimes/1\r\nETag: "e"\r\n'
        b"Keep-Alive: timeout=5\r\nConnection: x-private, keep-alive\r\nX-Private: 1\r\n"
        b"Content-Length: 3\r\n\r\n{}\n"
    )


async def test_an_answer_passes_without_what_concerns_one_connection(socket_path: Path) -> None:
    async with upstream(socket_path, done), gateway(socket_path) as served:
        head, body = await served.ask("POST /v0/runtimes?x=a%2Fb HTTP/1.1\nContent-Length: 0")
    assert head.startswith(b"HTTP/1.1 201 Created\r\n")
    assert b"\r\nlocation: /v0/runtimes/1\r\n" in head.lower()
    assert b'\r\netag: "e"\r\n' in head.lower()
    assert not [name for name in (b"keep-alive:", b"x-private") if name in head.lower()]
    assert body == b"{}\n"


async def test_a_request_passes_without_what_was_judged(socket_path: Path) -> None:
    request = (
        f"GET /v0/runtimes/a%2Fb?kernel=%20 HTTP/1.1\nOrigin: {PAGE}\nReferer: {PAGE}/x\n"
        "Sec-Fetch-Site: cross-site\nX-Client: me\nTE: trailers\nUser-Agent: tests/1"
    )
    async with upstream(socket_path, done) as daemon, gateway(socket_path) as served:
        head, _ = await served.ask(request)
    first, *lines = daemon.visits[0].head.decode().split("\r\n")[:-2]
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert first == "GET /v0/runtimes/a%2Fb?kernel=%20 HTTP/1.1"
    assert headers == {
        "host": "runtimed",
        "connection": "close",
        "via": "1.1 runt-serve",
        "x-client": "me",
        "user-agent": "tests/1",
    }
    assert f"\r\naccess-control-allow-origin: {PAGE}" in head.decode()


async def test_a_stream_passes_as_it_comes(socket_path: Path) -> None:
    next_one = asyncio.Event()

    async def streaming(visit: Visit) -> None:
        await visit.read_head()
        await visit.say(EVENTS + chunk(b"data: 1\n\n"))
        await next_one.wait()
        await visit.say(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    async with upstream(socket_path, streaming), gateway(socket_path) as served:
        reader, writer = await served.send("GET /v0/events HTTP/1.1")
        assert (await reader.readuntil(b"data: 1\n\n")).startswith(b"HTTP/1.1 200")
        next_one.set()
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"data: 2\n\n\r\n0\r\n\r\n")
        writer.close()


async def test_a_client_that_goes_hangs_up_on_the_daemon(socket_path: Path) -> None:
    gone = asyncio.Event()

    async def streaming(visit: Visit) -> None:
        await visit.read_head()
        await visit.say(EVENTS + chunk(b"data: 1\n\n"))
        await visit.has_gone()
        gone.set()

    async with upstream(socket_path, streaming), gateway(socket_path) as served:
        reader, writer = await served.send("GET /v0/events HTTP/1.1")
        await reader.readuntil(b"data: 1\n\n")
        writer.transport.abort()
        await gone.wait()


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_a_body_passes_as_it_comes(socket_path: Path, is_chunked: bool) -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def reading(visit: Visit) -> None:
        await visit.read_head()
        await got.put(await visit.reader.readuntil(b"one"))
        await got.put(await visit.reader.readuntil(b"two"))
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await visit.has_gone()

    length = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 6"
    pieces = [chunk(b"one"), chunk(b"two") + b"0\r\n\r\n"] if is_chunked else [b"one", b"two"]
    async with upstream(socket_path, reading), gateway(socket_path) as served:
        reader, writer = await served.send(f"POST /rpc HTTP/1.1\n{length}")
        for piece in pieces:
            writer.write(piece)
            assert (await got.get())[-3:] in (b"one", b"two")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_answer_before_the_end_of_the_body_passes(socket_path: Path) -> None:
    async def refusing(visit: Visit) -> None:
        await visit.read_head()
        await visit.say(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )

    async with upstream(socket_path, refusing), gateway(socket_path) as served:
        reader, writer = await served.send("POST /rpc HTTP/1.1\nContent-Length: 1000000")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        writer.write(b"x" * 1_000_000)  # and what comes later bothers nobody
        writer.write(b"GET / HTTP/1.1\r\nHost: other\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 421")
        writer.close()


async def test_expect_100_continue_is_answered(socket_path: Path) -> None:
    async def reading(visit: Visit) -> None:
        assert b"expect" not in (await visit.read_head()).lower()
        await visit.reader.readuntil(b"body")
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with upstream(socket_path, reading), gateway(socket_path) as served:
        reader, writer = await served.send(
            "POST /rpc HTTP/1.1\nContent-Length: 4\nExpect: 100-continue"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"body")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_half_an_answer_stays_half(socket_path: Path) -> None:
    async def dying(visit: Visit) -> None:
        await visit.read_head()
        await visit.say(EVENTS + chunk(b"data: 1\n\n"))

    async with upstream(socket_path, dying), gateway(socket_path) as served:
        _, body = await served.ask("GET /v0/events HTTP/1.1")
    assert body.endswith(b"data: 1\n\n\r\n"), "the last chunk would say that this was all"


async def test_a_daemon_that_hangs_up_is_a_bad_gateway(socket_path: Path) -> None:
    async def dying(visit: Visit) -> None:
        await visit.read_head()

    async with upstream(socket_path, dying), gateway(socket_path) as served:
        head, body = await served.ask("POST /v0/executions HTTP/1.1\nContent-Length: 0")
    assert head.startswith(b"HTTP/1.1 502 ")
    assert "not known" in json.loads(body)["detail"]


async def test_where_nobody_serves_looking_starts_nobody(socket_path: Path) -> None:
    async with gateway(socket_path) as served:
        head, body = await served.ask("GET /v0/runtimes HTTP/1.1")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1" in head
        problem = json.loads(body)
        assert (problem["name"], problem["retryable"]) == ("DaemonUnreachable", True)
        async with upstream(socket_path, done):
            head, _ = await served.ask("GET /v0/runtimes HTTP/1.1")
            assert head.startswith(b"HTTP/1.1 201 ")


async def test_what_is_refused_does_not_reach_the_daemon(socket_path: Path) -> None:
    async with upstream(socket_path, done) as daemon, gateway(socket_path) as served:
        for request, status in (
            ("GET / HTTP/1.1\nHost: localhost", 401),
            ("GET / HTTP/1.1\nHost: evil.example\nAuthorization: Bearer " + TOKEN, 421),
            ("CONNECT localhost:22 HTTP/1.1\nHost: localhost", 400),
            ("GET http://evil.example/ HTTP/1.1\nHost: localhost", 400),
            ("GET / HTTP/1.1\nHost: localhost\nOrigin: https://evil.example", 403),
            ("OPTIONS / HTTP/1.1\nHost: localhost\nOrigin: https://evil.example", 403),
            ("GET / HTTP/1.1\nHost: localhost\nHost: localhost", 400),
            ("PRI * HTTP/2.0\n\nSM", 505),
            ("\x16\x03\x01", 400),
            ("no http", 400),
            ("GET / HTTP/1.1", 400),
        ):
            reader, writer = await served.connect()
            writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            writer.write_eof()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(f"HTTP/1.1 {status} ".encode()), request
            assert b"\r\ncontent-type: application/problem+json\r\n" in head
            assert json.loads(body)["status"] == status, "one answer, and it is a problem document"
            writer.close()
    assert daemon.visits == []


async def test_a_browser_may_ask_what_an_allowed_page_may_send(socket_path: Path) -> None:
    async with upstream(socket_path, done) as daemon, gateway(socket_path) as served:
        reader, writer = await served.connect()
        writer.write(
            f"OPTIONS /v0/runtimes HTTP/1.1\r\nHost: localhost\r\nOrigin: {PAGE}\r\n"
            "Access-Control-Request-Method: POST\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.close()
    assert head.startswith("HTTP/1.1 204 ")
    assert f"access-control-allow-origin: {PAGE}\r\n" in head
    assert "access-control-allow-headers: Authorization, " in head
    assert "vary: Origin\r\n" in head
    assert daemon.visits == []


async def test_an_end_in_order(socket_path: Path) -> None:
    """Streams are cut, an answer that is on its way arrives."""
    begun, go_on = asyncio.Barrier(3), asyncio.Event()

    async def answering(visit: Visit) -> None:
        head = await visit.read_head()
        if b"/events" in head:
            await visit.say(EVENTS + chunk(b"data: 1\n\n"))
            await begun.wait()
            await visit.has_gone()
            go_on.set()
        else:
            await begun.wait()
            await go_on.wait()
            await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast")

    async with upstream(socket_path, answering):
        async with gateway(socket_path) as served:
            stream, stream_writer = await served.send("GET /v0/events HTTP/1.1")
            answer, answer_writer = await served.send("GET /v0/runtimes HTTP/1.1")
            await stream.readuntil(b"data: 1\n\n")
            await begun.wait()
        assert (await answer.read()).endswith(b"\r\n\r\nlast")
        assert await stream.read() == b"\r\n"
        stream_writer.close()
        answer_writer.close()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1", b"HTTP/1.1 401 "),
    ],
    ids=["nothing", "half a head", "half a body that is refused"],
)
async def test_who_says_nothing_more_is_hung_up_on(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch, words: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(protocol, "_HEAD_S", 0.1)
    async with gateway(socket_path) as served:
        reader, writer = await served.connect()
        writer.write(words)
        try:
            assert (await reader.read()).startswith(answer)
        except ConnectionResetError:
            pass
        writer.close()


async def test_an_answer_does_not_wait_for_acknowledgements(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    received = H11Protocol.data_received

    def looking(self: H11Protocol, data: bytes) -> None:
        sock = self.transport.get_extra_info("socket")
        no_delay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        seen.append((no_delay, sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)))
        received(self, data)

    monkeypatch.setattr(H11Protocol, "data_received", looking)
    async with gateway(socket_path) as served:
        await served.ask("GET /v0/runtimes HTTP/1.1")
    assert seen == [(1, 1)]
