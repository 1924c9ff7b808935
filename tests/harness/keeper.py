"""Drive a real keeper over its link, with real kernels."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from jupyter_client.session import Session

from runtimed.paths import State
from runtimed.wire import journal, link

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 30.0
KEEPER = [sys.executable, "-m", "runtimed.keeper"]


@dataclass
class Keeper:
    """A keeper process and what belongs to it on disk."""

    directory: str
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: list[str] = field(default_factory=list)
    """What it is started by: a program that executes its arguments."""
    process: subprocess.Popen[bytes] | None = None
    clients: list[Client] = field(default_factory=list)

    @property
    def state(self) -> State:
        return State(os.path.join(self.directory, "s"))

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, **environment: str) -> Keeper:
        """Start it and wait until it listens."""
        self.begin(**environment)
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.log()
        return self

    def begin(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start it without waiting; its log goes on in one file."""
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *KEEPER, "--state-dir", self.state.dir, "--ready-fd", "1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,
            )
        return self.process

    def log(self) -> str:
        paths = (Path(self.directory, "log"), Path(self.state.keeper_log))
        return "".join(path.read_text() for path in paths if path.exists())

    def connect(self, hello: bool = True) -> Client:
        client = Client(self)
        self.clients.append(client)
        if hello:
            client.hello()
        return client

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, signum: int) -> None:
        assert self.process is not None
        self.process.send_signal(signum)

    def wait(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(DEADLINE_S)

    def restart(self, **environment: str) -> Client:
        """Have a new keeper take over; return a client of it."""
        return self.start(**environment).connect()

    def end(self, runtime: str) -> int:
        """Return where the journal ends now."""
        records = self.records(runtime)
        return records[-1].end if records else 0

    def records(self, runtime: str, start: int = 0) -> list[journal.Record]:
        """Return all records of a runtime's journal from this offset on."""
        directory = Path(self.state.journal(runtime))
        found: list[journal.Record] = []
        for path in sorted(directory.glob("*.journal")) if directory.is_dir() else []:
            offset = journal.segment_offset(path.name)
            assert offset is not None
            content = path.read_bytes()
            if offset + len(content) > start:
                found += (r for r in journal.records(content, offset) if r.offset >= start)
        return found

    def close(self) -> None:
        for client in self.clients:
            client.close()
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self.process.kill()
                self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
        for process in processes_of(self.directory):
            with suppress(psutil.Error):
                process.kill()
                # Not wait(): an orphan is a zombie until pid 1 finds the time.
                while process.status() != psutil.STATUS_ZOMBIE:
                    time.sleep(0.005)


def processes_of(directory: str) -> list[psutil.Process]:
    """Return the kernels whose connection file lies in this directory."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(directory in argument for argument in process.cmdline()):
                found.append(process)
    return found


def thread_states(pid: int) -> list[str]:
    """Return the state of each thread: a signal that stops a process takes its time to all."""
    tasks = Path(f"/proc/{pid}/task").glob("*/stat")
    return [path.read_text().rpartition(")")[2].split()[0] for path in tasks]


class Client:
    """The daemon's side of the link, blocking."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.bells: dict[str, int] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        try:
            self._socket.connect(keeper.state.keeper_socket)
        except OSError:
            self._socket.close()
            raise
        self._decoder = link.Decoder()
        self._replies: dict[int, dict[str, Any]] = {}
        self._number = 0

    def hello(self) -> dict[str, Any]:
        return self.ask("hello", pid=os.getpid(), version=link.VERSION)

    def post(self, op: str, payloads: list[bytes] | None = None, **fields: Any) -> int:
        """Send a request; return its number."""
        self._number += 1
        header = {"op": op, "n": self._number, **fields}
        self._socket.sendall(link.encode(header, payloads or []))
        return self._number

    def ask(self, op: str, payloads: list[bytes] | None = None, **fields: Any) -> dict[str, Any]:
        return self.reply(self.post(op, payloads, **fields))

    def reply(self, number: int) -> dict[str, Any]:
        while number not in self._replies:
            self.read()
        return self._replies.pop(number)

    def read(self, timeout_s: float = DEADLINE_S) -> None:
        """Take whatever comes next; raises EOFError when the keeper hangs up."""
        self._socket.settimeout(timeout_s)
        data = self._socket.recv(2**20)
        if not data:
            raise EOFError
        for header, _ in self._decoder.feed(data):
            if "bell" in header:
                self.bells.update(header["bell"])
            else:
                self._replies[header["re"]] = header

    def wait(
        self, runtime: str, wanted: Callable[[journal.Record], bool], start: int = 0
    ) -> journal.Record:
        """Return the first record from ``start`` on that is wanted, as soon as it is journaled."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            for record in self.keeper.records(runtime, start):
                start = record.end
                if wanted(record):
                    return record
            if time.monotonic() > deadline:
                pytest.fail("not journaled in time\n" + self.keeper.log())
            with suppress(TimeoutError):
                self.read(timeout_s=1)

    def event(self, runtime: str, name: str, start: int = 0, **fields: Any) -> journal.Record:
        """Wait for an event with these fields."""
        return self.wait(runtime, lambda r: is_event(r, name, **fields), start)

    def wait_heartbeat(self, runtime: str) -> None:
        """Probe until it answers: the heartbeat may be bound later than the other sockets."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.ask("probe", runtime=runtime, timeout_ms=10000)["heartbeat"]:
            assert time.monotonic() < deadline

    def wait_log(self, text: str) -> None:
        """Wait until the keeper has logged this."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.keeper.log():
            if time.monotonic() > deadline:
                pytest.fail(f"not logged in time: {text}\n" + self.keeper.log())
            time.sleep(0.005)

    def close(self) -> None:
        self._socket.close()


def is_event(record: journal.Record, name: str, **fields: Any) -> bool:
    return (
        record.kind == journal.Kind.EVENT
        and record.meta["event"] == name
        and all(record.meta[key] == value for key, value in fields.items())
    )


def events(records: list[journal.Record]) -> list[str]:
    return [r.meta["event"] for r in records if r.kind == journal.Kind.EVENT]


class Kernel:
    """An ipykernel of a keeper's, and the messages for it."""

    def __init__(self, keeper: Keeper, runtime: str, transport: str) -> None:
        self.keeper = keeper
        self.runtime = runtime
        self.incarnation = 0
        self.connection_file = os.path.join(keeper.directory, f"{runtime}.json")
        self.prefix = os.path.join(keeper.directory, runtime)
        self.truth = Path(keeper.directory, f"{runtime}.truth")
        self.stderr = os.path.join(keeper.directory, f"{runtime}.err")
        self.session = Session(key=secrets.token_hex(16).encode())
        self._write_connection_file(transport)

    def _write_connection_file(self, transport: str) -> None:
        names = ("shell", "iopub", "stdin", "control", "hb")
        ports: dict[str, int] = {name: i for i, name in enumerate(names, 1)}
        if transport == "tcp":
            sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
            ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
            for sock in sockets.values():
                sock.close()
        content: dict[str, Any] = {
            "transport": transport,
            "ip": self.prefix if transport == "ipc" else "127.0.0.1",
            "key": self.session.key.decode(),
            "signature_scheme": "hmac-sha256",
            **{f"{name}_port": port for name, port in ports.items()},
        }
        Path(self.connection_file).write_text(json.dumps(content))

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]

    def spawn(self, client: Client, **more: Any) -> int:
        """Start it by the keeper; return the pid when it is connected."""
        start = client.keeper.end(self.runtime)
        reply = self.request_spawn(client, **more)
        assert "pid" in reply, reply
        self.reconnect(client, start)
        return int(reply["pid"])

    def request_spawn(self, client: Client, **more: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "runtime": self.runtime,
            "argv": self.argv,
            "cwd": self.keeper.directory,
            "env": dict(os.environ),
            "connection_file": self.connection_file,
            "stdout": self.stderr + ".out",
            "stderr": self.stderr,
            "keep_env": True,
            **more,
        }
        return client.ask("spawn", **request)

    def message(
        self, type_: str, content: dict[str, Any], msg_id: str = "", **header: Any
    ) -> list[bytes]:
        message = self.session.msg(type_, content)
        message["header"].update(header)
        if msg_id:
            message["header"]["msg_id"] = message["msg_id"] = msg_id
        return [bytes(frame) for frame in self.session.serialize(message)]

    def execute(self, code: str, msg_id: str, **more: Any) -> list[bytes]:
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": True}
        content |= {"stop_on_error": False, "user_expressions": {}, **more}
        return self.message("execute_request", content, msg_id)

    def send(
        self, client: Client, code: str, msg_id: str, incarnation: int | None = None
    ) -> dict[str, Any]:
        return client.ask("send", self.execute(code, msg_id), **self.address(msg_id, incarnation))

    def address(self, msg_id: str, incarnation: int | None = None) -> dict[str, Any]:
        return {
            "runtime": self.runtime,
            "incarnation": self.incarnation if incarnation is None else incarnation,
            "id": msg_id,
            "channel": "shell",
        }

    def received(self, record: journal.Record) -> dict[str, Any]:
        """Return the Jupyter message of a RECV record, {} for a redacted or any other record."""
        if record.kind != journal.Kind.RECV or record.meta.get("redacted"):
            return {}
        frames = [bytes(frame) for frame in record.frames]
        self.session.digest_history.clear()
        _, parts = self.session.feed_identities(frames)
        return dict(self.session.deserialize(parts))

    def is_message(self, record: journal.Record, type_: str, parent: str) -> bool:
        message = self.received(record)
        return bool(
            message
            and message["msg_type"] == type_
            and message["parent_header"].get("msg_id") == parent
        )

    def reply(self, client: Client, msg_id: str, type_: str = "execute_reply") -> dict[str, Any]:
        """Wait for the answer to a request; return its content."""
        record = client.wait(self.runtime, lambda r: self.is_message(r, type_, msg_id))
        return dict(self.received(record)["content"])

    def text(self, records: list[journal.Record], parent: str) -> str:
        """Return all that this request printed."""
        streams = [self.received(r) for r in records if self.is_message(r, "stream", parent)]
        return "".join(message["content"]["text"] for message in streams)

    def append_truth(self, mark: str) -> str:
        """Return code that writes a mark where only the kernel writes."""
        return f"with open({str(self.truth)!r}, 'a') as f: f.write({mark + chr(10)!r})"

    def reconnect(self, client: Client, start: int) -> journal.Record:
        """Wait for the next incarnation and use that from now on."""
        connected = client.event(self.runtime, "connected", start)
        self.incarnation = connected.meta["incarnation"]
        return connected

    def truths(self) -> list[str]:
        return self.truth.read_text().split() if self.truth.exists() else []
