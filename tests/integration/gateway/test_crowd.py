"""Connections that have shown the token, and those that have not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runtimed.gateway.crowd import Crowd
from tests.integration.gateway.conftest import TOKEN, gateway

if TYPE_CHECKING:
    from pathlib import Path


async def test_strangers_do_not_keep_out_who_has_the_token(socket_path: Path) -> None:
    async with gateway(socket_path, Crowd(most_strangers=2)) as served:
        strangers = [await served.connect() for _ in range(3)]
        _, body = await served.ask("GET /v0/runtimes HTTP/1.1")
        assert json.loads(body)["name"] == "DaemonUnreachable"
        for reader, _ in strangers[:2]:  # those that came first have gone
            assert await reader.read() == b""
        strangers[2][1].write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await strangers[2][0].read()).startswith(b"HTTP/1.1 401 ")
        for _, writer in strangers:
            writer.close()


async def test_too_many_with_the_token_are_told_so(socket_path: Path) -> None:
    async with gateway(socket_path, Crowd(most_known=1)) as served:
        reader, writer = await served.send("GET /v0/runtimes HTTP/1.1")  # it stays connected
        await reader.readuntil(b"\r\n\r\n")
        head, body = await served.ask("GET /v0/runtimes HTTP/1.1")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1" in head
        assert b"\r\ncontent-type: application/problem+json" in head
        problem = json.loads(body)
        assert (problem["name"], problem["retryable"]) == ("Unavailable", True)
        lines = ("GET /v0/runtimes HTTP/1.1", f"Host: localhost:{served.port}")
        again = "\r\n".join((*lines, f"Authorization: Bearer {TOKEN}", "Connection: close", "", ""))
        writer.write(again.encode())  # the first one has its place
        assert b"DaemonUnreachable" in await reader.read()
        writer.close()
