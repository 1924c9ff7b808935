"""The stdlib client: what it says, and to whom."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.daemon import PROTOCOL, SERVICE
from runtimed.api.errors import DaemonUnreachable
from runtimed.client import blocking, connecting, lines, start
from runtimed.client.connecting import CallFailed, HungUp, dial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.lineserver import Service

NOBODY = 65534


@pytest.fixture
def client(service: Service, socket_path: Path) -> Iterator[lines.LineClient]:
    client = lines.LineClient(dial(), str(socket_path))
    yield client
    client.close()


def test_the_two_copies_of_the_service_name_agree() -> None:
    assert (lines.SERVICE, lines.PROTOCOL) == (SERVICE, PROTOCOL)


def test_hello_and_a_call(client: lines.LineClient) -> None:
    assert client.hello("test")["service"] == SERVICE
    assert client.call("who")["client"] == "test"
    assert client.call("echo", {"value": "ü\0\U0001f600"}) == "ü\0\U0001f600"


def test_many_calls_in_one_write_fetched_in_another_order(client: lines.LineClient) -> None:
    ids = client.send_many(
        [("wait", {"gate": "g"}), ("echo", {"value": 2}), ("open", {"gate": "g"})]
    )
    assert [client.result(each) for each in reversed(ids)] == [1, 2, "g"]


def test_a_large_answer(client: lines.LineClient) -> None:
    assert client.call("echo", {"value": "x" * 1000, "times": 3000}) == "x" * 3_000_000


def test_text_that_is_no_unicode_fails_in_words(client: lines.LineClient) -> None:
    with pytest.raises(CallFailed, match="lone surrogate"):
        client.call("echo", {"value": os.fsdecode(b"caf\xe9")})
    assert client.call("echo", {"value": 1}) == 1


def test_an_error_has_its_parts(client: lines.LineClient) -> None:
    with pytest.raises(CallFailed) as caught:
        client.call("fail", {"known": True})
    failure = caught.value
    assert (failure.name, failure.code, failure.exit_code) == ("RuntimeNotFound", -32011, 3)
    assert failure.data["runtime"] == "r1"
    assert "r1" in failure.message


def test_events_that_come_before_an_answer_are_kept(
    client: lines.LineClient, service: Service
) -> None:
    subscription = client.call("events.subscribe")["subscription"]
    stream = service.streams[subscription]
    service.run_soon(stream.emit, "one")
    service.run_soon(stream.emit, "two")
    assert client.call("echo", {"value": 1}) == 1
    events = client.notifications()
    texts = [next(events)["params"]["data"]["text"] for _ in range(3)]
    assert texts == ["already there", "one", "two"]


def test_notifications_end_with_the_service(client: lines.LineClient, service: Service) -> None:
    client.call("events.subscribe")
    service.stop_soon()
    assert [each["method"] for each in client.notifications()] == ["event"]


def test_nobody_is_there(socket_path: Path) -> None:
    with pytest.raises(CallFailed, match="does not run") as caught:
        dial()
    assert (caught.value.name, caught.value.exit_code) == ("DaemonUnreachable", 5)


def test_nobody_serves_the_socket(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(socket_path))
    with pytest.raises(CallFailed, match="refused") as caught:
        dial()
    assert caught.value.name == "DaemonUnreachable"


def test_a_path_that_is_too_long(socket_path: Path) -> None:
    with pytest.raises(CallFailed, match="RUNTIMED_SOCKET"):
        dial(str(socket_path) + "x" * 100)


def test_a_file_is_no_socket(socket_path: Path) -> None:
    socket_path.write_text("")
    with pytest.raises(CallFailed, match="not a socket") as caught:
        dial()
    assert caught.value.name == "NotRuntimed"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_a_socket_of_another_user_is_not_talked_to(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(socket_path))
        other.listen()
        os.chown(socket_path, NOBODY, NOBODY)
        with pytest.raises(CallFailed, match=f"uid {NOBODY}") as caught:
            dial()
    assert (caught.value.name, caught.value.exit_code) == ("Denied", 7)


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Serve one connection: read a line, answer it, read what still comes until its end."""
    received: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as reader:
                received.append(reader.readline())
                connection.sendall(answer)
                received.append(reader.read())

        thread = threading.Thread(target=serve)
        thread.start()
        yield received
        thread.join(30)
        assert not thread.is_alive()


def hello_answer(**result: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode() + b"\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (hello_answer(service="another", protocol=[1, 1]), "calls itself 'another'"),
        (hello_answer(version="1"), "calls itself None"),
        (hello_answer(service=SERVICE, protocol=[2, 3]), "protocol 2 to 3, we 1 to 1"),
        (hello_answer(service=SERVICE, protocol="1"), "no protocol versions"),
        (hello_answer(service=SERVICE), "no protocol versions"),
        (b'{"jsonrpc":"2.0","id":1,"result":[]}\n', "calls itself"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak JSON-RPC"),
        (b"[1]\n", "does not speak JSON-RPC"),
        (b"\xff\n", "does not speak JSON-RPC"),
        (b"[" * 50_000 + b"\n", "does not speak JSON-RPC"),
        (b"x" * 70_000, "its first line does not end"),
        (b'{"jsonrpc":"2.0","method":"event"}\n', "says something else"),
        (b'{"jsonrpc":"2.0","id":9,"result":{}}\n', "says something else"),
        (
            b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}\n',
            "Method not found",
        ),
        (
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}\n',
            "Parse error",
        ),
    ],
)
def test_another_service_is_hung_up_on(socket_path: Path, answer: bytes, words: str) -> None:
    with answering(socket_path, answer) as received:
        with pytest.raises(CallFailed, match="Something else") as caught:
            lines.connect(dial(), str(socket_path), "test")
        assert words in caught.value.message
        assert caught.value.name == "NotRuntimed"
    assert json.loads(received[0])["method"] == "daemon.hello"
    assert received[1] == b""  # nothing but the hello was sent


@pytest.mark.parametrize("said", [b"", b"x"])
def test_a_service_that_does_not_come_to_its_answer(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """Neither silence nor a byte now and then holds anybody up."""
    monkeypatch.setattr(connecting, "PATIENCE_S", 0.3)
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as stack:
        server.bind(str(socket_path))
        server.listen()

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(BrokenPipeError):
                while not connection.recv(1, socket.MSG_PEEK) == b"":
                    connection.sendall(said)
                    if hung_up.wait(0.02):
                        return

        hung_up = threading.Event()
        thread = threading.Thread(target=trickle)
        thread.start()
        stack.callback(thread.join, 30)
        stack.callback(hung_up.set)
        with pytest.raises(DaemonUnreachable, match=r"no answer in 0\.3 s"):
            blocking.connect(start=False)


@contextmanager
def full(path: Path) -> Iterator[socket.socket]:
    """Listen where so many wait to be let in that nobody else can wait."""
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as stack:
        server.bind(str(path))
        server.listen(0)
        while True:
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            if waiting.connect_ex(str(path)) == errno.EAGAIN:
                break
        yield server


def test_a_service_that_lets_nobody_in(
    socket_path: Path, fake_daemon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, so none is started beside it."""
    monkeypatch.setattr(connecting, "PATIENCE_S", 1)
    with full(socket_path), pytest.raises(CallFailed, match="no answer in 1 s") as caught:
        start.ensure_daemon()
    assert caught.value.name == "DaemonUnreachable"
    assert not fake_daemon.exists()


def test_who_has_to_wait_to_be_let_in(socket_path: Path) -> None:
    with full(socket_path) as server:
        letting_in = threading.Timer(0.1, lambda: server.accept()[0].close())
        letting_in.start()
        client = dial()
        letting_in.join()
    # What is sent on it has no time limit: a daemon may be slow to read.
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16) == bytes(16)
    assert client.gettimeout() is None
    client.close()


def test_a_service_that_hangs_up(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path))
        server.listen()
        client = lines.LineClient(dial(), str(socket_path))
        server.accept()[0].close()
        with pytest.raises(HungUp, match="hung up") as caught:
            client.hello("test")
        client.close()
    assert caught.value.name == "DaemonUnreachable"


def test_the_clients_imports_are_few() -> None:
    """`runt` loads these on every call."""
    script = "import sys, runtimed.client.lines, runtimed.client.start\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "runtimed.client.lines" in loaded
    heavy = {
        "asyncio",
        "msgspec",
        "socket",
        "subprocess",
        "typing",
        "dataclasses",
        "zmq",
        "apsw",
        "jupyter_client",
        "inspect",
        "logging",
        "tempfile",
        "runtimed.api",
        "platformdirs",
    }
    assert loaded & heavy == set()
