"""A request and a response, as the parts of this package hand them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

Headers = list[tuple[str, str]]


@dataclass(slots=True, frozen=True)
class Request:
    """The head of a request; its body is asked for when it is wanted.

    ``target`` is as it came; ``headers`` have lower-case names.
    """

    verb: str
    target: str
    headers: list[tuple[str, str]]
    http_version: str = "1.1"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """Return a header's value, several joined by commas (RFC 9110 §5.3), or None."""
        found = [value for key, value in self.headers if key == name]
        return ", ".join(found) if found else None


@dataclass(slots=True)
class Response:
    """What answers a request. A body that is a generator is sent piece by piece, as it comes.

    Framing, date and the like are added when it is sent.
    """

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | AsyncGenerator[bytes, None] = b""
    #: Of a generator's body, where it is known; else the body is chunked.
    length_bytes: int | None = None
    #: Whether the connection ends with it.
    closes: bool = False


class Over(Exception):
    """The peer has gone, or has no more requests."""


class HttpError(Exception):
    """A request that is refused for what it is as HTTP, whatever it asks for."""

    def __init__(self, status: int, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers: Headers = list(headers)
