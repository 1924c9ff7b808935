"""Whose kernel is it: a real Jupyter server, and some that only look like one."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.kernels import connection_files, identity, jupyter_api, owners
from tests.harness.jupyter_server import running_jupyter_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.daemon import State
    from tests.harness.jupyter_server import JupyterServer, ServerSession

TOKEN = "a-secret-token"


def only_server(directory: Path) -> owners.Server:
    (server,) = owners.owners([str(directory)])
    return server


def process_of(session: ServerSession) -> identity.Process:
    file = connection_files.read(str(session.connection_file))
    assert file is not None
    found = identity.find_process(file)
    assert isinstance(found, identity.Process)
    return found


def test_a_real_server(jupyter_server: JupyterServer) -> None:
    one = jupyter_server.create_session("one.ipynb")
    (jupyter_server.root_dir / "sub").mkdir()
    two = jupyter_server.create_session("sub/two.ipynb")
    bare = jupyter_server.request("POST", "api/kernels", {"name": "python3"})["id"]
    server = only_server(jupyter_server.runtime_dir)
    assert (server.pid, server.url) == (jupyter_server.pid, jupyter_server.url)
    assert server.name == "jupyter_server"
    assert jupyter_server.token not in repr(server)
    found = owners.sessions(server)
    paths = {kernel: owner["path"] for kernel, owner in found.items()}
    assert paths == {one.kernel_id: "one.ipynb", two.kernel_id: "sub/two.ipynb", bare: None}
    owner = owners.owner_of(str(two.connection_file), None, [(server, found)])
    assert owner == {
        "kind": "jupyter_server",
        "url": jupyter_server.url,
        "path": "sub/two.ipynb",
        "pid": jupyter_server.pid,
        "name": "jupyter_server",
    }
    # The same without its answer, as while it hangs.
    with jupyter_server.connect(two) as client:
        client.run("pass")  # its sockets are open
    assert owners.owner_of(str(two.connection_file), process_of(two), [(server, {})]) == owner


def test_a_real_server_restarts_and_ends_its_kernel(jupyter_server: JupyterServer) -> None:
    session = jupyter_server.create_session("one.ipynb")
    with jupyter_server.connect(session) as client:
        client.run("pass")
    before = process_of(session)
    server = only_server(jupyter_server.runtime_dir)
    assert owners.restart(server, session.kernel_id)
    with jupyter_server.connect(session) as client:
        client.run("pass")
    after = process_of(session)
    assert (after.pid, after.ppid) != (before.pid, before.ppid)
    assert not owners.restart(server, "no-such-kernel")
    assert owners.shutdown(server, session.kernel_id)
    assert not session.connection_file.exists()
    assert jupyter_server.kernels() == []
    assert not owners.shutdown(server, session.kernel_id)


def test_a_real_server_at_a_unix_socket(state: State) -> None:
    sock = state.root / "j.sock"
    options = (f"--ServerApp.sock={sock}", "--ServerApp.base_url=/x")
    with running_jupyter_server(state, *options) as at:
        while not (found := owners.owners([str(at.runtime_dir)])):
            pass  # its file is there before it listens
        (server,) = found
        assert server.sock == str(sock)
        made = jupyter_api.ask(server, "POST", "api/kernels", 60)
        assert made is not None
        assert list(owners.sessions(server)) == [json.loads(made)["id"]]


def test_a_real_server_that_is_stopped_or_killed(
    jupyter_server: JupyterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "TIMEOUT_S", 0.2)
    jupyter_server.create_session("one.ipynb")
    server = only_server(jupyter_server.runtime_dir)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert owners.owners([str(jupyter_server.runtime_dir)]) == [server]
        assert owners.sessions(server) == {}
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert len(owners.sessions(server)) == 1
    jupyter_server.process.kill()
    jupyter_server.process.wait()
    assert (jupyter_server.runtime_dir / f"jpserver-{server.pid}.json").exists()
    assert owners.owners([str(jupyter_server.runtime_dir)]) == []
    assert owners.sessions(server) == {}


class Impostor:
    """Answers each connection with the same bytes, or does not; remembers what it was asked."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self.port = self._server.getsockname()[1]
        self.asked: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            client, _ = self._server.accept()
            asked = client.recv(65536)
            if asked == b"stop":
                client.close()
                return
            self.asked.append(asked)
            if self._answer is None:
                self._held.append(client)
                continue
            with client:
                try:
                    client.sendall(self._answer)
                except OSError:
                    continue

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"stop")
        self._thread.join()
        for each in (self._server, *self._held):
            each.close()

    def facts(self, **more: Any) -> dict[str, Any]:
        """Return what its file would say."""
        url = f"http://127.0.0.1:{self.port}/"
        known = {
            "base_url": "/",
            "pid": os.getpid(),
            "port": self.port,
            "root_dir": "/n",
            "url": url,
        }
        return known | {"hostname": "localhost", "sock": "", "token": TOKEN} | more


@contextmanager
def impostor(answer: bytes | None) -> Iterator[Impostor]:
    server = Impostor(answer)
    try:
        yield server
    finally:
        server.close()


def write_file(directory: Path, content: object, name: str = "jpserver-1.json") -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (directory / name).write_bytes(text)


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_what_is_asked(tmp_path: Path) -> None:
    session = {"path": "a.ipynb", "kernel": {"id": "k1"}, "type": "notebook"}
    with impostor(http(json.dumps([session, {"id": "k2"}]).encode())) as it:
        write_file(tmp_path, it.facts(url=f"http://127.0.0.1:{it.port}/user/ada/"))
        found = owners.sessions(only_server(tmp_path))
        assert {kernel: owner["path"] for kernel, owner in found.items()} == {
            "k1": "a.ipynb",
            "k2": None,
        }
        assert owners.restart(only_server(tmp_path), "../k 1")
    assert [asked.split(b"\r\n")[0] for asked in it.asked] == [
        b"GET /user/ada/api/sessions HTTP/1.1",
        b"GET /user/ada/api/kernels HTTP/1.1",
        b"POST /user/ada/api/kernels/..%2Fk%201/restart HTTP/1.1",
    ]
    for asked in it.asked:
        assert f"Authorization: token {TOKEN}".encode() in asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Log in</html>",
        b"{",
        b"null",
        b'{"message": "Forbidden"}',
        b'"text"',
        b"[1, null, [], {}]",
        b'[{"kernel": null}, {"kernel": {}}, {"kernel": {"id": 5}, "id": 5}]',
        b"[" * 100_000,
        b"\xff\xfe",
        b"[" + b" " * 10_000_000 + b'{"id": "k1"}]',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_server_that_lies(tmp_path: Path, body: bytes) -> None:
    with impostor(http(body)) as it:
        write_file(tmp_path, it.facts())
        assert owners.sessions(only_server(tmp_path)) == {}
    assert it.asked


def test_what_a_server_says_can_be_said_again(tmp_path: Path) -> None:
    sessions = [("caf\udce9.ipynb", "k1"), (5, "k2")]
    body = json.dumps([{"path": path, "kernel": {"id": name}} for path, name in sessions]).encode()
    with impostor(http(body)) as it:
        write_file(tmp_path, it.facts())
        found = owners.sessions(only_server(tmp_path))
    assert [owner["path"] for owner in found.values()] == ["caf?.ipynb", None]


@pytest.mark.parametrize(
    "answer",
    [
        http(b"[]", "500 Internal Server Error"),
        http(b'[{"id": "k1"}]', "403 Forbidden"),
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_a_server_that_fails(tmp_path: Path, answer: bytes) -> None:
    with impostor(answer) as it:
        write_file(tmp_path, it.facts())
        server = only_server(tmp_path)
        assert owners.sessions(server) == {}
        assert not owners.restart(server, "k1")
        assert not owners.shutdown(server, "k1")
    assert len(it.asked) == 3


def test_a_redirection_is_not_followed_with_the_token(tmp_path: Path) -> None:
    with impostor(http(b"[]")) as elsewhere:
        there = f"Location: http://127.0.0.1:{elsewhere.port}/"
        with impostor(http(b"", "302 Found", there)) as it:
            write_file(tmp_path, it.facts())
            assert owners.sessions(only_server(tmp_path)) == {}
    assert it.asked
    assert not elsewhere.asked


@pytest.mark.parametrize("answer", [None, "trickle"])
def test_a_server_that_hangs(
    tmp_path: Path, answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or that sends a byte now and then, for ever."""
    monkeypatch.setattr(owners, "TIMEOUT_S", 0.3)
    program = (
        "import socket, time\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "print(server.getsockname()[1], flush=True)\n"
        "client, _ = server.accept()\n"
        "try:\n"
        f"    while {answer is not None}:\n"
        "        client.sendall(b'HTTP'); time.sleep(0.05)\n"
        "except OSError: pass\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            facts = {"pid": process.pid, "port": port, "url": f"http://127.0.0.1:{port}/"}
            write_file(tmp_path, facts)
            assert owners.sessions(only_server(tmp_path)) == {}
        finally:
            process.kill()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        {},
        {"pid": "1"},
        {"pid": True},
        {"pid": -1, "port": 8888},
        {"pid": 10**30, "port": 8888},
        {"pid": "ours", "port": None},
        {"pid": "ours", "port": 10**30},
        {"pid": "ours", "port": [], "url": 5},
        {"pid": "ours", "sock": "/nowhere"},
    ],
    ids=str,
)
def test_what_is_no_servers_file(tmp_path: Path, content: Any) -> None:
    if isinstance(content, dict) and content.get("pid") == "ours":
        content = content | {"pid": os.getpid()}
    write_file(tmp_path, content)
    assert owners.owners([str(tmp_path), str(tmp_path / "missing")]) == []


def test_a_port_that_is_not_the_servers_any_more(tmp_path: Path) -> None:
    """The token of a server that was killed is not told to whoever has its port now."""
    with impostor(http(b"[]")) as it, subprocess.Popen(["sleep", "1000"]) as other:
        try:
            write_file(tmp_path, it.facts(pid=other.pid))
            assert owners.owners([str(tmp_path)]) == []
        finally:
            other.kill()
    write_file(tmp_path, it.facts(pid=other.pid))
    assert owners.owners([str(tmp_path)]) == []
    assert not it.asked


@pytest.mark.parametrize(
    "facts",
    [
        {"token": "two\nlines"},
        {"token": "\u20ac"},
        {"url": "http://127.0.0.1:notaport/"},
        {"url": "gopher://127.0.0.1/"},
        {"url": ""},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_not(
    tmp_path: Path, facts: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with impostor(http(b'[{"id": "k1"}]')) as it:
        write_file(tmp_path, it.facts(**facts))
        assert owners.sessions(only_server(tmp_path)) == {}
    assert not caplog.records


def test_an_old_notebook_server(tmp_path: Path) -> None:
    with impostor(http(b"[]")) as it:
        facts = it.facts(notebook_dir="/old")
        del facts["root_dir"]
        write_file(tmp_path, facts, "nbserver-1.json")
        write_file(tmp_path, facts, "jpserver-1.json")  # once, though it left two
        assert only_server(tmp_path).root_dir == "/old"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_loopback_needs_no_certificate(name: str) -> None:
    assert jupyter_api._context(name).verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("name", ["example.org", "192.0.2.1", "localhost.example.org"])
def test_all_else_does(name: str) -> None:
    context = jupyter_api._context(name)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
