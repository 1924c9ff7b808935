"""Read of a Jupyter message what the keeper must know: whose it is, whose reply, who is busy.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITER = b"<IDS|MSG>"

# What follows the delimiter: signature, header, parent header, metadata, content, buffers.
_SIGNATURE, _HEADER, _PARENT, _CONTENT = 1, 2, 3, 5
_NO_CONTENT = b"{}"

FINGERPRINT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Header:
    """What names a request: in its own header, and in the parent header of what it led to."""

    msg_id: str
    msg_type: str
    is_on_subshell: bool = False
    """Beside the main shell, in a thread of its own; no interrupt reaches it (JEP 91)."""

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Header:
        """Return what these fields of a header say; what is missing is empty."""
        return cls(
            str(fields.get("msg_id", "")),
            str(fields.get("msg_type", "")),
            fields.get("subshell_id") is not None,
        )


@dataclass(frozen=True, slots=True)
class Status:
    """A kernel's ``status`` message: the request it speaks of, and the state."""

    parent: Header
    state: str


def content_index(frames: Sequence[bytes | memoryview]) -> int | None:
    """Return the index of the content frame, None if these frames are no Jupyter message."""
    for index, frame in enumerate(frames):
        if len(frame) == len(DELIMITER) and bytes(frame) == DELIMITER:
            return index + _CONTENT if index + _CONTENT < len(frames) else None
    return None


def status_of(frames: Sequence[bytes | memoryview]) -> Status | None:
    """Return what a ``status`` message says, None for any other message."""
    content = content_index(frames)
    if content is None or b'"status"' not in bytes(frames[content - _CONTENT + _HEADER]):
        return None
    if _object(frames[content - _CONTENT + _HEADER]).get("msg_type") != "status":
        return None
    return Status(
        Header.of(_object(frames[content - _CONTENT + _PARENT])),
        str(_object(frames[content]).get("execution_state", "")),
    )


def parent_of(frames: Sequence[bytes | memoryview]) -> Header | None:
    """Return the request that this message answers, None if it names none."""
    return _header_at(_PARENT, frames)


def header_of(frames: Sequence[bytes | memoryview]) -> Header | None:
    """Return a message's own header, None if it has no msg_id."""
    return _header_at(_HEADER, frames)


def _header_at(place: int, frames: Sequence[bytes | memoryview]) -> Header | None:
    content = content_index(frames)
    if content is None:
        return None
    fields = _object(frames[content - _CONTENT + place])
    return Header.of(fields) if isinstance(fields.get("msg_id"), str) else None


def fingerprint(frames: Sequence[bytes | memoryview]) -> bytes:
    """Return what tells a message from all others of its kernel: of its signature and header."""
    content = content_index(frames)
    if content is not None:
        frames = frames[content - _CONTENT + _SIGNATURE : content - _CONTENT + _HEADER + 1]
    import hashlib  # OpenSSL, 4 MB: for a takeover only

    digest = hashlib.blake2b(digest_size=FINGERPRINT_BYTES)
    for frame in frames:
        digest.update(frame)
    return digest.digest()


def is_foreign(frames: Sequence[bytes | memoryview], session: str) -> bool:
    """Say whether a message belongs to a request of another session than this one.

    One that names no request, or names it so that it cannot be read, is not ours.
    """
    content = content_index(frames)
    if content is None:
        return True
    try:
        parent = json.loads(bytes(frames[content - _CONTENT + _PARENT]))
    except (ValueError, RecursionError):
        return True
    if not isinstance(parent, dict):
        return True
    return parent.get("session") != session


def without_content(frames: Sequence[bytes | memoryview]) -> list[bytes | memoryview] | None:
    """Return the frames without content, buffers, and the signature; None if it is no message.

    With the key, a short secret could be guessed from its signature.
    """
    content = content_index(frames)
    if content is None:
        return None
    signature = content - _CONTENT + _SIGNATURE
    return [*frames[:signature], b"", *frames[signature + 1 : content], _NO_CONTENT]


def _object(frame: bytes | memoryview) -> dict[str, Any]:
    try:
        value = json.loads(bytes(frame))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
