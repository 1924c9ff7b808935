"""Clients that read late, or slowly, or nothing: they get all of it, and nobody waits for ever."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from runtimed.server.hall import Limits
from tests.harness.http import HttpClient, request
from tests.harness.lineserver import RawClient, Service, serving
from tests.harness.lineserver import request as rpc

if TYPE_CHECKING:
    from pathlib import Path

#: More than what the sockets hold, and less than what the server holds before it waits.
LARGE = {"value": "x" * 1_000, "times": 1_000}
HASTY = Limits(linger_s=0.1, http_idle_s=0.1, unread_s=30)


def wait(client: RawClient, seconds: float) -> None:
    """Let the server's clocks run, while this client reads nothing."""
    client.sock.settimeout(30)
    time.sleep(seconds)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_the_end_of_an_answer_that_is_read_late(socket_path: Path, connection: str) -> None:
    with serving(socket_path, Service(), HASTY), HttpClient(socket_path) as client:
        client.send(request("POST", "/v0/echo", LARGE, {"Connection": connection}))
        wait(client, 0.5)
        assert len(client.answer().json) == 1_000_000
        assert client.is_at_end()


def test_the_end_of_an_answer_that_is_read_after_half_closing(socket_path: Path) -> None:
    with serving(socket_path, Service(), HASTY), HttpClient(socket_path) as client:
        client.send(request("POST", "/v0/echo", LARGE)).end()
        wait(client, 0.5)
        assert len(client.answer().json) == 1_000_000
        assert client.is_at_end()


def test_who_reads_slowly_is_not_idle(socket_path: Path) -> None:
    """While an answer is being read the connection is in use, and serves the next request."""
    limits = Limits(http_idle_s=1)
    with serving(socket_path, Service(), limits), HttpClient(socket_path) as client:
        client.send(request("POST", "/v0/echo", {"value": "x" * 1_000, "times": 1_000}))
        taken = bytearray()
        while len(taken) < 1_000_000:
            taken += client.sock.recv(65_536, socket.MSG_WAITALL)
            time.sleep(0.1)
        client.send(request("GET", "/v0/who"))
        rest = bytearray()
        while b'"client"' not in rest:
            piece = client.sock.recv(65_536)
            assert piece, "it was hung up on"
            rest += piece


@pytest.mark.parametrize("times", [1_000, 3_000], ids=["at its end", "in its middle"])
def test_who_reads_nothing_is_not_waited_for(socket_path: Path, times: int) -> None:
    limits = Limits(linger_s=0.1, http_idle_s=0.1, unread_s=0.3)
    with serving(socket_path, Service(), limits), HttpClient(socket_path) as client:
        body = LARGE | {"times": times}
        client.send(request("POST", "/v0/echo", body, {"Connection": "close"}))
        with HttpClient(socket_path) as other:
            assert other.ask_for("GET", "/v0/who").status == 200
        wait(client, 1)
        assert len(client.rest()) < times * 1_000


def test_the_end_of_json_rpc_lines_that_are_read_late(socket_path: Path) -> None:
    """A line that is too long is the last one; what was answered before it comes whole."""
    limits = Limits(linger_s=0.1, line_bytes=100_000)
    with serving(socket_path, Service(), limits), RawClient(socket_path) as client:
        client.ask(rpc(1, "echo", **LARGE))
        client.send(b"[" + b" " * 200_000)
        wait(client, 0.5)
        lines = [client.line(), client.line()]
        (answer,) = [line for line in lines if "result" in line]
        assert len(answer["result"]) == 1_000_000
