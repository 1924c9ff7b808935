"""A small blocking JSON-RPC client over one connected socket. Stdlib only: see connecting.py."""

from __future__ import annotations

import json
import time
from collections import deque

from runtimed.client import connecting
from runtimed.client.connecting import CallFailed, HungUp, no_answer, not_runtimed, unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterable, Iterator
    from typing import Any

#: What the service calls itself, and the protocol versions spoken here; as in api/daemon.py, which
#: imports msgspec. A test compares them.
SERVICE = "runtimed.jupyter"
PROTOCOL = [1, 1]
#: More than this comes from mmap(2) and goes back at once: each read would take ten times as long.
_CHUNK_BYTES = 65_536
#: More than this for its first line, and it is none of ours.
_HELLO_BYTES = 65_536


class LineClient:
    """Calls over one connection. One thread at a time.

    Answers may be fetched in another order than the calls were sent in; notifications that arrive
    meanwhile are kept for `notifications`.
    """

    def __init__(self, sock: socket, path: str = "the socket") -> None:
        self._sock = sock
        self._path = path
        self._last_id = 0
        self._chunks: list[bytes] = []
        self._lines: deque[bytes] = deque()
        self._answers: dict[object, dict[str, Any]] = {}
        self._notifications: deque[dict[str, Any]] = deque()

    def hello(self, client: str, agent: str | None = None) -> dict[str, Any]:
        """Say who we are, and for which agent; return what the service says of itself.

        Whoever listens there learns nothing else of us before. Raises `CallFailed` and hangs up:
        ``NotRuntimed`` if it is not ours, or has no protocol version in common with us,
        ``DaemonUnreachable`` if it does not answer in `connecting.PATIENCE_S`, or hangs up
        (`HungUp`).
        """
        try:
            hello: dict[str, Any] = self._exchange_hellos(_hello_request(client, agent))
        except CallFailed as failure:
            self.close()
            if failure.name in ("DaemonUnreachable", "NotRuntimed", "ShuttingDown"):
                raise
            raise not_runtimed(self._path, failure.message) from None
        if problem := _problem_with(hello):
            self.close()
            raise not_runtimed(self._path, problem)
        return hello

    def _exchange_hellos(self, request: tuple[str, dict[str, Any]]) -> Any:
        deadline_s = time.monotonic() + connecting.PATIENCE_S
        (request_id,) = self.send_many([request])
        while not self._lines:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise no_answer(self._path)
            self._sock.settimeout(left_s)
            if not self._read_chunk():
                raise self._hung_up()
            if not self._lines and sum(map(len, self._chunks)) > _HELLO_BYTES:
                raise not_runtimed(self._path, "its first line does not end")
        self._sock.settimeout(None)
        self._receive()
        if request_id not in self._answers:
            raise not_runtimed(self._path, "it says something else before it answers")
        return self.result(request_id)

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Send one request and return its result. Raises `CallFailed`."""
        (request_id,) = self.send_many([(method, params)])
        return self.result(request_id)

    def send_many(self, calls: Iterable[tuple[str, dict[str, Any] | None]]) -> list[int]:
        """Send requests in one write; return their ids, for `result`."""
        lines, ids = [], []
        for method, params in calls:
            self._last_id += 1
            request = {
                "jsonrpc": "2.0",
                "id": self._last_id,
                "method": method,
                "params": params or {},
            }
            lines.append(json.dumps(request, ensure_ascii=True) + "\n")
            ids.append(self._last_id)
        try:
            self._sock.sendall("".join(lines).encode("ascii"))
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may have said why before it hung up: `result` reads that.
        except OSError as error:
            raise unreachable(self._path, error.strerror or str(error)) from None
        return ids

    def result(self, request_id: int) -> Any:
        """Wait for the answer to a request that was sent. Raises `CallFailed`."""
        while request_id not in self._answers:
            if not self._receive():
                raise self._hung_up()
        answer = self._answers.pop(request_id)
        if "error" in answer:
            raise CallFailed(answer["error"])
        return answer.get("result")

    def _hung_up(self) -> CallFailed:
        return unreachable(self._path, "it hung up before it had answered", HungUp)

    def notifications(self) -> Iterator[dict[str, Any]]:
        """Iterate over notifications as they come, until the service hangs up."""
        while True:
            while self._notifications:
                yield self._notifications.popleft()
            if not self._receive():
                return

    def fileno(self) -> int:
        """Return the descriptor, for select(2). `has_notifications` comes first."""
        return self._sock.fileno()

    def has_notifications(self) -> bool:
        """Tell whether `notifications` has one at hand, without reading."""
        return bool(self._notifications or self._lines)

    def hang_up(self) -> None:
        """End the connection for whoever reads it, in another thread; they close it."""
        from _socket import SHUT_RDWR

        try:
            self._sock.shutdown(SHUT_RDWR)
        except OSError:
            pass  # It has ended already.

    def detach(self) -> int:
        """Return the descriptor, for who goes on in another way; nothing may be on its way."""
        return self._sock.detach()

    def close(self) -> None:
        self._sock.close()

    def receive(self) -> list[dict[str, Any]] | None:
        """Wait for bytes once, and return the messages that are whole; None at the end.

        For those who wait with select(2) themselves, and match answers by their ids.
        """
        if not self._lines and not self._read_chunk():
            return None
        messages = [self._decoded(line) for line in self._lines]
        self._lines.clear()
        return messages

    def _receive(self) -> bool:
        """Take in one message; False at the end."""
        while not self._lines:
            if not self._read_chunk():
                return False
        message = self._decoded(self._lines.popleft())
        if "method" in message:
            self._notifications.append(message)
        else:
            self._answers[message.get("id")] = message
        return True

    def _decoded(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            self.close()
            raise not_runtimed(self._path, f"it does not speak JSON-RPC 2.0: {line[:60]!r}")
        if message.get("id") is None and "error" in message:
            # The service could not tell which request it refuses.
            self.close()
            raise CallFailed(message["error"])
        return message

    def _read_chunk(self) -> bool:
        """Wait for bytes and take their lines; False at the end."""
        try:
            chunk = self._sock.recv(_CHUNK_BYTES)
        except TimeoutError:
            raise no_answer(self._path) from None
        except ConnectionResetError:
            chunk = b""
        except OSError as error:
            raise unreachable(self._path, error.strerror or str(error)) from None
        if not chunk:
            return False
        first, *rest = chunk.split(b"\n")
        self._chunks.append(first)
        if rest:
            self._lines.append(b"".join(self._chunks))
            self._lines.extend(rest[:-1])
            self._chunks = [rest[-1]]
        return True


def _hello_request(client: str, agent: str | None) -> tuple[str, dict[str, Any]]:
    from runtimed import __version__

    hello = {"client": client, "version": __version__, "protocol": PROTOCOL}
    return "daemon.hello", hello if agent is None else {**hello, "agent": agent}


def _problem_with(hello: object) -> str | None:
    if not isinstance(hello, dict) or hello.get("service") != SERVICE:
        service = hello.get("service") if isinstance(hello, dict) else hello
        return f"it calls itself {service!r}, not {SERVICE!r}"
    versions = hello.get("protocol")
    if not (
        isinstance(versions, list)
        and len(versions) == 2
        and all(isinstance(version, int) for version in versions)
    ):
        return f"it has no protocol versions: {versions!r}"
    lowest, highest = versions
    if lowest > PROTOCOL[1] or highest < PROTOCOL[0]:
        return (
            f"it speaks protocol {lowest} to {highest}, we {PROTOCOL[0]} to {PROTOCOL[1]}; "
            "restart the older one"
        )
    return None


def connect(sock: socket, path: str, client: str) -> LineClient:
    """Return a client that has said hello. Raises `CallFailed`."""
    line_client = LineClient(sock, path)
    line_client.hello(client)
    return line_client
