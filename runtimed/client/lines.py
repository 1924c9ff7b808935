"""A small blocking JSON-RPC client over one connected socket. Stdlib only: see connect.py."""

from __future__ import annotations

import json
from collections import deque

from runtimed.client.connect import CallFailed, not_runtimed, unreachable

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
#: Seconds that a service may take for its first answer.
HELLO_TIMEOUT_S = 30.0


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

    def hello(self, client: str) -> dict[str, Any]:
        """Say who we are; return what the service says of itself.

        Raises `CallFailed` (``NotRuntimed``) and hangs up if it is not ours, or has no protocol
        version in common with us.
        """
        self._sock.settimeout(HELLO_TIMEOUT_S)
        try:
            answer = self.call(*hello_request(client))
        except CallFailed as failure:
            raise self.refused_hello(failure) from None
        self._sock.settimeout(None)
        self.check_hello(answer)
        hello: dict[str, Any] = answer
        return hello

    def check_hello(self, answer: object) -> None:
        """Hang up and raise `CallFailed` if this answer to a hello is not one of ours."""
        if problem := _problem_with(answer):
            self.close()
            raise not_runtimed(self._path, problem)

    def refused_hello(self, failure: CallFailed) -> CallFailed:
        """Hang up, and return what it means that a hello failed."""
        self.close()
        if failure.name in ("DaemonUnreachable", "NotRuntimed", "ShuttingDown"):
            return failure
        return not_runtimed(self._path, failure.message)

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
        except BrokenPipeError:
            pass  # It may have said why before it hung up: `result` reads that.
        except OSError as error:
            raise unreachable(self._path, error.strerror or str(error)) from None
        return ids

    def result(self, request_id: int) -> Any:
        """Wait for the answer to a request that was sent. Raises `CallFailed`."""
        while request_id not in self._answers:
            if not self._receive():
                raise unreachable(self._path, "it hung up before it had answered")
        answer = self._answers.pop(request_id)
        if "error" in answer:
            raise CallFailed(answer["error"])
        return answer.get("result")

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
            self.close()
            raise unreachable(self._path, f"no answer in {HELLO_TIMEOUT_S:g} s") from None
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


def hello_request(client: str) -> tuple[str, dict[str, Any]]:
    """Return the method and parameters of a hello, for who sends it with other requests."""
    from runtimed import __version__

    return "daemon.hello", {"client": client, "version": __version__, "protocol": PROTOCOL}


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
