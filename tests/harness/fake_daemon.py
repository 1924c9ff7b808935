"""A service that speaks JSON-RPC lines and answers what a test says, for clients' tests.

It is as thin as can be: one thread a connection, one answer a request, in order.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

HELLO = {
    "service": "runtimed.jupyter",
    "version": "0",
    "protocol": [1, 1],
    "pid": 1,
    "state_dir": "/nowhere",
}

Answer = Callable[["Connection", dict[str, Any]], Any]


class Refuse(Exception):
    """Raised by an answer: becomes a JSON-RPC error of that name and exit code."""

    def __init__(self, name: str, exit_code: int, message: str = "refused") -> None:
        self.error = {
            "code": -32000,
            "message": message,
            "data": {"name": name, "exit_code": exit_code},
        }
        super().__init__(message)


class HangUp(Exception):
    """Raised by an answer: the connection ends without one."""


class Connection:
    """One client. Answers may push events on it."""

    def __init__(self, daemon: FakeDaemon, sock: socket.socket) -> None:
        self.daemon = daemon
        self._sock = sock
        self._lock = threading.Lock()
        self.filters: dict[str, Any] = {}

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._sock.sendall(json.dumps(message).encode() + b"\n")

    def event(self, type: str, data: dict[str, Any], **about: Any) -> None:
        """Push an event on this connection."""
        self.daemon.seq += 1
        cursor = f"e.{self.daemon.seq}"
        self.send(
            {
                "jsonrpc": "2.0",
                "method": "event",
                "params": {
                    "subscription": "s1",
                    "seq": self.daemon.seq,
                    "cursor": cursor,
                    "at": "2026-01-01T00:00:00.000Z",
                    "type": type,
                    "runtime": None,
                    "execution": self.filters.get("execution"),
                    "data": data,
                    **about,
                },
            }
        )


class FakeDaemon:
    """The socket, what was asked, and what is answered."""

    def __init__(self, path: str, answers: dict[str, Answer]) -> None:
        self.answers: dict[str, Answer] = {
            "daemon.hello": lambda connection, params: HELLO,
            "events.subscribe": _subscribe,
            **answers,
        }
        self.calls: list[tuple[str, dict[str, Any]]] = []
        #: What came with one read of the socket, for who cares about writes.
        self.reads: list[bytes] = []
        self.seq = 0
        self._called = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        #: Every connection so far.
        self.open: list[socket.socket] = []
        self._thread(self._accept)

    def params(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of every call of a method so far."""
        return [params for name, params in self.calls if name == method]

    def wait_for(self, method: str) -> list[dict[str, Any]]:
        """Wait until a method is called, and return the parameters of its calls."""
        with self._called:
            assert self._called.wait_for(lambda: self.params(method), timeout=20)
        return self.params(method)

    def close(self) -> None:
        """End it, when all that clients sent has been read."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self.open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()

    def _thread(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.open.append(sock)
            self._thread(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        connection = Connection(self, sock)
        buffer = b""
        with sock:
            while chunk := _receive(sock):
                self.reads.append(chunk)
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    try:
                        self._answer(connection, json.loads(line))
                    except (HangUp, BrokenPipeError, ConnectionResetError):
                        return

    def _answer(self, connection: Connection, request: dict[str, Any]) -> None:
        method, params = request["method"], request["params"]
        with self._called:
            self.calls.append((method, params))
            self._called.notify_all()
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        after = None
        try:
            result = self.answers[method](connection, params)
            if isinstance(result, tuple):
                result, after = result
            answer["result"] = result
        except Refuse as refused:
            answer["error"] = refused.error
        connection.send(answer)
        if after is not None:
            after()


def _subscribe(connection: Connection, params: dict[str, Any]) -> dict[str, Any]:
    connection.filters = params
    return {"subscription": "s1", "cursor": f"e.{connection.daemon.seq}"}


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except OSError:
        return b""


@contextmanager
def fake_daemon(directory: str, answers: dict[str, Answer]) -> Iterator[FakeDaemon]:
    """Serve these answers at ``<directory>/fake.sock`` while it is entered."""
    daemon = FakeDaemon(os.path.join(directory, "fake.sock"), answers)
    try:
        yield daemon
    finally:
        daemon.close()
