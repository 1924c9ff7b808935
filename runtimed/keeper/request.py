"""What the daemon asks, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable


class Refused(Exception):
    """The keeper does not do this; ``code`` says to a program why."""

    def __init__(self, code: Refusal, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One frame of the daemon's, and how to answer it."""

    header: dict[str, Any]
    payloads: list[bytes]
    reply: Callable[[dict[str, Any]], None]
    is_wanted: Callable[[], bool]
    """False once the connection that asked was fenced or closed: then it is not done any more."""

    def text(self, name: str) -> str:
        """Return a string field."""
        value: str = self._of_type(name, str, "a string")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return a string field that may be null or absent."""
        return None if self.header.get(name) is None else self.text(name)

    def number(self, name: str) -> int:
        """Return an integer field."""
        value: int = self._of_type(name, int, "an integer")
        return value

    def number_or_none(self, name: str) -> int | None:
        """Return an integer field that may be null or absent."""
        return None if self.header.get(name) is None else self.number(name)

    def flag(self, name: str) -> bool:
        """Return a boolean field; absent is false."""
        return bool(self.header.get(name, False))

    def texts(self, name: str) -> list[str]:
        """Return a list of strings."""
        items: list[str] = self._of_type(name, list, "a list")
        if not all(isinstance(item, str) for item in items):
            raise Refused(Refusal.BAD_REQUEST, f"{name} must hold strings only")
        return items

    def mapping_or_none(self, name: str) -> dict[str, str] | None:
        """Return an object of strings that may be null or absent."""
        if self.header.get(name) is None:
            return None
        mapping: dict[str, str] = self._of_type(name, dict, "an object")
        if not all(isinstance(value, str) for value in mapping.values()):
            raise Refused(Refusal.BAD_REQUEST, f"{name} must hold strings only")
        return mapping

    def _of_type(self, name: str, type_: type, words: str) -> Any:
        value = self.header.get(name)
        if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
            raise Refused(Refusal.BAD_REQUEST, f"{name} must be {words}")
        return value
