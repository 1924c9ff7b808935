"""Bad input, to the real daemon: a clear error, and it goes on as before."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.lineserver import RawClient, request

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

LIST = r"""printf '{"jsonrpc":"2.0","id":1,"method":"runtime.list"}\n'"""
PIPES = [
    LIST + ' | nc -N -U "$RUNTIMED_SOCKET" | jq -c .result',
    LIST + ' | socat - UNIX:"$RUNTIMED_SOCKET" | jq -c .result',
]


@pytest.mark.parametrize("command", PIPES)
def test_the_tools_of_a_shell_reach_the_daemon(daemon: Daemon, command: str) -> None:
    done = subprocess.run(
        ["sh", "-c", command], env=daemon.state.env, capture_output=True, check=True, text=True
    )
    assert done.stdout == "[]\n"


def test_discover_is_the_committed_document(daemon: Daemon) -> None:
    from runtimed.api.schema import openrpc

    with RawClient(daemon.state.socket) as raw:
        raw.ask(request(1, "rpc.discover"))
        assert raw.line()["result"] == json.loads(json.dumps(openrpc()))


BAD: list[tuple[bytes, str]] = [
    (b"{nope}", "ParseError"),
    (b"[" * 100_000, "ParseError"),
    (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', "ParseError"),
    (
        rb'{"jsonrpc":"2.0","id":1,"method":"runtime.get","params":{"runtime":"\ud800"}}',
        "InvalidRequest",
    ),
    (b'{"jsonrpc":"2.0","id":{},"method":"runtime.list"}', "InvalidRequest"),
    (b"[" + b"1," * 10_000 + b"1]", "InvalidRequest"),
    (json.dumps(request(1, "runtime.fly")).encode(), "MethodNotFound"),
    (json.dumps(request(1, "runtime.list", al=True)).encode(), "InvalidParams"),
    (json.dumps(request(1, "runtime.list", all=1)).encode(), "InvalidParams"),
    (json.dumps(request(1, "runtime.get", runtime="")).encode(), "InvalidParams"),
    (json.dumps(request(1, "runtime.get", runtime="none\0such")).encode(), "RuntimeNotFound"),
    (json.dumps(request(1, "execution.get", execution="0" * 26)).encode(), "ExecutionNotFound"),
    (json.dumps(request(1, "runtime.start", kernel_name="none-such")).encode(), "KernelNotFound"),
    (json.dumps(request(1, "runtime.start", kernel_name="")).encode(), "InvalidParams"),
    (json.dumps(request(1, "execution.eval", code="", kernel_name="")).encode(), "InvalidParams"),
    (json.dumps(request(1, "runtime.start", cwd="/dev/null")).encode(), "KernelDidNotStart"),
    (json.dumps(request(1, "events.subscribe", since="x")).encode(), "StaleCursor"),
    (json.dumps(request(1, "events.subscribe", since="x." + "9" * 5000)).encode(), "StaleCursor"),
    (json.dumps(request(1, "events.unsubscribe", subscription="s")).encode(), "InvalidParams"),
    (json.dumps(request(1, "blob.get", sha256="0" * 64)).encode(), "BlobNotFound"),
    (json.dumps(request(1, "blob.get", sha256="../../x")).encode(), "InvalidParams"),
    (json.dumps(request(1, "daemon.hello", protocol=[9, 9])).encode(), "BadRequest"),
]


def test_each_is_a_clear_error_and_the_daemon_is_unharmed(daemon: Daemon) -> None:
    with RawClient(daemon.state.socket) as raw:
        for line, name in BAD:
            raw.send(line + b"\n")
            answer = raw.line()
            assert answer["error"]["data"]["name"] == name, (line[:80], answer)
            raw.ask(request("next", "daemon.status"))
            status = raw.line()["result"]
            assert status["pid"] == daemon.pid


def test_the_part_that_is_wrong_is_named(daemon: Daemon) -> None:
    """Also inside of an object, and of a place that is not there."""
    cell = {"notebook": "n", "id": "i", "colour": 1}
    for call, words in (
        (request(1, "execution.list", cell=cell), ("colour", "$.cell")),
        (request(1, "execution.submit", code="1", runtime="r", cell=cell), ("colour", "$.cell")),
        (request(1, "runtime.start", kernel_name=""), ("$.kernel_name",)),
        (request(1, "runtime.start", cwd="/dev/null"), ("/dev/null is not a directory",)),
        (request(1, "runtime.start", cwd="/no/such"), ("/no/such does not exist",)),
    ):
        with RawClient(daemon.state.socket) as raw:
            raw.ask(call)
            message = raw.line()["error"]["message"]
            assert all(word in message for word in words), message


@pytest.mark.parametrize("seq", ["", "x", "-1", "9" * 19, "9" * 5000, "1.1"])
def test_a_cursor_of_this_store_that_cannot_be(daemon: Daemon, seq: str) -> None:
    epoch, _, _ = daemon.call("daemon.status")["cursor"].partition(".")
    with RawClient(daemon.state.socket) as raw:
        raw.ask(request(1, "events.subscribe", since=f"{epoch}.{seq}"))
        assert raw.line()["error"]["data"]["name"] == "StaleCursor"


def test_half_a_line_and_gone(daemon: Daemon) -> None:
    for _ in range(20):
        with RawClient(daemon.state.socket) as raw:
            raw.send(b'{"jsonrpc":"2.0","id":1,"method":"daemon.st')
    with RawClient(daemon.state.socket) as raw:
        raw.ask(request(1, "daemon.status"))
        assert raw.line()["result"]["pid"] == daemon.pid


def test_the_socket_is_closed_to_others(daemon: Daemon) -> None:
    assert os.lstat(daemon.state.socket).st_mode & 0o077 == 0
    assert os.lstat(daemon.state.socket.parent).st_mode & 0o077 == 0
