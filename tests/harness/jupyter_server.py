"""A real Jupyter server, and clients of it: its REST interface and a kernel's websocket.

The fixture ``jupyter_server`` has one running in the state of the test::

    def test_it(daemon, jupyter_server):
        session = jupyter_server.create_session("notebook.ipynb")
        with jupyter_server.connect(session) as socket:
            socket.run("print(1)")
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.harness.foreign import kernel_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.harness.daemon import State

DEADLINE_S = 60.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class ServerSession:
    """A notebook of the server's with its kernel."""

    id: str
    path: str
    kernel_id: str
    connection_file: Path


@dataclass
class KernelSocket:
    """A websocket to one kernel, as a notebook's front end has it."""

    _socket: Any
    session_id: str
    #: All that came, in order.
    received: list[dict[str, Any]] = field(default_factory=list)

    def send(self, msg_type: str, content: dict[str, Any], channel: str = "shell") -> str:
        """Send a request and return its msg_id."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "session": self.session_id,
            "username": "tests",
            "version": "5.3",
            "date": "2026-01-01T00:00:00Z",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": channel,
            "buffers": [],
        }
        self._socket.send(json.dumps(message))
        return header["msg_id"]

    def execute(self, code: str, **more: Any) -> str:
        """Send code and return the request's msg_id, without waiting."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": True}
        return self.send(
            "execute_request", content | {"stop_on_error": True, "user_expressions": {}} | more
        )

    def receive(self) -> dict[str, Any]:
        """Return the next message, whatever it answers. Fails when none comes for a minute."""
        import websocket

        # The server's pings would begin the socket's own time limit again and again.
        deadline = time.monotonic() + DEADLINE_S
        opcode, data = websocket.ABNF.OPCODE_PING, b""
        while opcode not in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            assert time.monotonic() < deadline, "nothing came"
            opcode, data = self._socket.recv_data(control_frame=True)
            assert opcode != websocket.ABNF.OPCODE_CLOSE, "the server hung up"
        message: dict[str, Any] = json.loads(data)
        self.received.append(message)
        return message

    def wait_for(self, msg_type: str, parent: str, **content: Any) -> dict[str, Any]:
        """Return the first message of this type, answering this request, with this content."""
        while True:
            message = self.receive()
            if (
                message["header"]["msg_type"] == msg_type
                and message["parent_header"].get("msg_id") == parent
                and content.items() <= message["content"].items()
            ):
                return message

    def run(self, code: str, **more: Any) -> list[dict[str, Any]]:
        """Execute, and return all that answers it, up to reply and idle."""
        parent = self.execute(code, **more)
        answers: list[dict[str, Any]] = []
        open_ = {"reply", "idle"}
        while open_:
            message = self.receive()
            if message["parent_header"].get("msg_id") != parent:
                continue
            answers.append(message)
            if message["header"]["msg_type"] == "execute_reply":
                open_.discard("reply")
            elif message["content"].get("execution_state") == "idle":
                open_.discard("idle")
        return answers

    def close(self) -> None:
        """Hang up, as a closed browser tab does."""
        self._socket.close()


def text(messages: Sequence[dict[str, Any]]) -> str:
    """Return the streams among these messages, as one text."""
    streams = (m["content"] for m in messages if m["header"]["msg_type"] == "stream")
    return "".join(content["text"] for content in streams)


@dataclass
class JupyterServer:
    """The server process, and how a test asks it."""

    process: subprocess.Popen[bytes]
    runtime_dir: Path
    root_dir: Path
    url: str
    token: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Ask its REST interface (``path`` without the leading slash). Raises `HTTPError`."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
            method=method,
        )
        with _NO_PROXY.open(request, timeout=DEADLINE_S) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def create_session(self, path: str, kernel_name: str = "python3") -> ServerSession:
        """Open a notebook: its kernel is started."""
        body = {
            "path": path,
            "name": os.path.basename(path),
            "type": "notebook",
            "kernel": {"name": kernel_name},
        }
        made = self.request("POST", "api/sessions", body)
        kernel_id = made["kernel"]["id"]
        file = self.runtime_dir / f"kernel-{kernel_id}.json"
        return ServerSession(made["id"], path, kernel_id, file)

    @contextmanager
    def connect(
        self, session: ServerSession | str, session_id: str | None = None
    ) -> Iterator[KernelSocket]:
        """Open a websocket to a session's kernel, or to one by its id.

        ``session_id`` names a client that comes back: what the server has kept for it is replayed.
        """
        import websocket

        kernel_id = session if isinstance(session, str) else session.kernel_id
        session_id = session_id or uuid.uuid4().hex
        where = f"{self.url.replace('http', 'ws', 1)}api/kernels/{kernel_id}/channels"
        opened = websocket.create_connection(
            f"{where}?session_id={session_id}",
            header={"Authorization": f"token {self.token}"},
            timeout=DEADLINE_S / 2,
            http_no_proxy=["*"],
        )
        socket = KernelSocket(opened, session_id)
        try:
            yield socket
        finally:
            socket.close()

    def restart_kernel(self, session: ServerSession | str) -> None:
        """Restart a kernel: another process behind the same connection file.

        A front end opens a new websocket after that, and so must a test: on the old one messages
        are missed, and the server does not say so.
        """
        self._kernel(session, "restart")

    def interrupt_kernel(self, session: ServerSession | str) -> None:
        """Interrupt a kernel."""
        self._kernel(session, "interrupt")

    def kernels(self) -> list[dict[str, Any]]:
        """Return the kernels that it lists."""
        found: list[dict[str, Any]] = self.request("GET", "api/kernels")
        return found

    def stop(self) -> None:
        """End it and its kernels in order, as Ctrl-C does; SIGKILL if it hangs."""
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for child in children:
            if child.is_running():
                child.kill()
        psutil.wait_procs(children, timeout=DEADLINE_S)

    def _kernel(self, session: ServerSession | str, verb: str) -> None:
        kernel_id = session if isinstance(session, str) else session.kernel_id
        self.request("POST", f"api/kernels/{kernel_id}/{verb}", {})


@contextmanager
def running_jupyter_server(state: State, *options: str) -> Iterator[JupyterServer]:
    """Start a server in the state of a test; ``options`` are of its command line.

    At a Unix socket (``--ServerApp.sock=…``) it may not listen yet, and ``request`` cannot ask it.
    """
    root_dir = state.root / "n"
    root_dir.mkdir(exist_ok=True)
    log = state.root / f"jupyter-server-{uuid.uuid4().hex[:8]}.log"
    is_tcp = not any(option.startswith("--ServerApp.sock=") for option in options)
    command = [
        *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
        *(["--port=0"] if is_tcp else []),
        *("--ServerApp.ip=127.0.0.1", "--ServerApp.terminals_enabled=False"),
        *(f"--ServerApp.root_dir={root_dir}", *options),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=root_dir,
            env=kernel_environment(state),
            start_new_session=True,
        )
    runtime_dir = Path(state.env["JUPYTER_RUNTIME_DIR"])
    server = JupyterServer(process, runtime_dir, root_dir, "", "")
    try:
        _wait_for_file(server, log)
        yield server
    finally:
        server.stop()


def _wait_for_file(server: JupyterServer, log: Path) -> None:
    """Wait until the server says where it is, and answers there: not always in this order."""
    file = server.runtime_dir / f"jpserver-{server.pid}.json"
    deadline = time.monotonic() + DEADLINE_S
    while True:
        assert server.process.poll() is None, f"the server ended\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the server did not start\n{log.read_text()}"
        try:
            facts: dict[str, Any] = json.loads(file.read_text())
            server.url, server.token = facts["url"], facts["token"]
            if not facts["sock"]:  # urllib speaks TCP only
                server.request("GET", "api/status")
        except (FileNotFoundError, json.JSONDecodeError, urllib.error.URLError):
            time.sleep(0.02)
        else:
            return


@pytest.fixture
def jupyter_server(state: State) -> Iterator[JupyterServer]:
    """A Jupyter server of the test's user, ended with its kernels."""
    with running_jupyter_server(state) as server:
        yield server
