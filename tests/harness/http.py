"""HTTP, byte by byte: what a test sends, and what comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.harness.lineserver import RawClient

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Answer:
    """A response. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HttpClient(RawClient):
    """One connection, kept alive for as long as the server keeps it."""

    def ask_for(
        self,
        verb: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, and return its answer."""
        self.send(request(verb, target, body, headers))
        return self.answer(is_head=verb == "HEAD")

    def answer(self, *, is_head: bool = False) -> Answer:
        """Read one answer."""
        status = self._reader.readline()
        assert status.startswith(b"HTTP/1.1 "), status
        headers: dict[str, str] = {}
        while line := self._reader.readline().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        number = int(status.split()[1])
        if is_head or number < 200 or number in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(self.chunks())
        else:
            body = self._reader.read(int(headers["content-length"]))
        return Answer(number, headers, body)

    def chunks(self) -> list[bytes]:
        """Read a chunked body to its end."""
        found = []
        while size := int(self._reader.readline(), 16):
            found.append(self._reader.read(size))
            assert self._reader.readline() == b"\r\n"
        assert self._reader.readline() == b"\r\n"
        return found

    def is_at_end(self) -> bool:
        """Say that the server has hung up, once it has."""
        return self._reader.read(1) == b""


def request(
    verb: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request's bytes. A body that is no bytes is sent as JSON."""
    lines = {"Host": "runtimed"} | dict(headers or {})
    data = b""
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"Content-Length": str(len(data)), "Content-Type": "application/json"} | lines
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{verb} {target} HTTP/1.1\r\n{head}\r\n".encode() + data
