"""How connections on TCP end, and what is refused on them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.harness.http_upstream import Visit, upstream
from tests.integration.gateway.conftest import TOKEN, gateway

if TYPE_CHECKING:
    from pathlib import Path


async def echo(visit: Visit) -> None:
    """Answer with the request's target."""
    target = (await visit.read_head()).split()[1]
    await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


def asking(target: str, more: str = "") -> bytes:
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    return f"{head}{more}\r\n".encode()


async def test_who_half_closes_gets_all_answers(socket_path: Path) -> None:
    async with upstream(socket_path, echo) as daemon, gateway(socket_path) as served:
        reader, writer = await served.connect()
        writer.write(asking("/1") + asking("/2"))
        writer.write_eof()
        answers = await reader.read()
        writer.close()
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.endswith(b"\r\n\r\n/2")
    assert len(daemon.visits) == 2


async def test_who_half_closes_and_goes_hangs_up_on_the_daemon(socket_path: Path) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def waiting(visit: Visit) -> None:
        await visit.read_head()
        begun.set()
        await visit.has_gone()
        gone.set()

    async with upstream(socket_path, waiting), gateway(socket_path) as served:
        _, writer = await served.connect()
        writer.write(asking("/"))
        writer.write_eof()
        await begun.wait()
        sock = writer.get_extra_info("socket")
        # A reset, as the system sends where nobody is left (SO_KEEPALIVE asks, after a minute).
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.close()
        await gone.wait()


@pytest.mark.parametrize("head", ["GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_who_half_closes_in_the_middle_is_told(socket_path: Path, head: str) -> None:
    if head.startswith("POST"):
        head += f"Authorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n1"
    async with upstream(socket_path, echo), gateway(socket_path) as served:
        reader, writer = await served.connect()
        writer.write(head.encode())
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_empty_lines_between_requests(socket_path: Path) -> None:
    async with upstream(socket_path, echo), gateway(socket_path) as served:
        reader, writer = await served.connect()
        writer.write(b"\r\n" + asking("/1") + b"\r\n" + asking("/2"))
        assert (await reader.readuntil(b"\r\n\r\n/1")).startswith(b"HTTP/1.1 200 ")
        assert (await reader.readuntil(b"\r\n\r\n/2")).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_head_that_is_too_large_comes_in_pieces(socket_path: Path) -> None:
    async with gateway(socket_path) as served:
        reader, writer = await served.connect()
        writer.write(asking("/")[:-2] + b"X: ")
        for _ in range(70):
            writer.write(b"x" * 1_000)
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert b"application/problem+json" in head
        writer.close()


@pytest.mark.parametrize(
    ("verb", "token", "status"),
    [("POST", "wrong", 401), ("POST", TOKEN, 400), ("HEAD", TOKEN, 400)],
)
async def test_a_chunk_that_is_none(
    socket_path: Path, caplog: pytest.LogCaptureFixture, verb: str, token: str, status: int
) -> None:
    """Whoever sends it: nothing of it is a failure of ours."""

    async def reading(visit: Visit) -> None:
        await visit.has_gone()

    async with upstream(socket_path, reading), gateway(socket_path) as served:
        reader, writer = await served.connect()
        head = f"{verb} /rpc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        writer.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
        begun = b""
        if token != TOKEN:
            begun = await reader.readuntil(b"}\n")
        writer.write(b"zz\r\n")
        answer = begun + await reader.read()
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        body = answer.partition(b"\r\n\r\n")[2]
        assert body == b"" if verb == "HEAD" else json.loads(body)["status"] == status
        writer.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
