"""Read of a Jupyter message what the keeper must know: whose reply it is, who is busy.

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
_HEADER, _PARENT, _CONTENT = 2, 3, 5


@dataclass(frozen=True, slots=True)
class Status:
    """A kernel's ``status`` message: the request it speaks of, and the state."""

    parent: str
    parent_type: str
    state: str


@dataclass(frozen=True, slots=True)
class Parent:
    """The request that a message answers or belongs to."""

    msg_id: str
    msg_type: str


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
    parent = _object(frames[content - _CONTENT + _PARENT])
    return Status(
        str(parent.get("msg_id", "")),
        str(parent.get("msg_type", "")),
        str(_object(frames[content]).get("execution_state", "")),
    )


def parent_of(frames: Sequence[bytes | memoryview]) -> Parent | None:
    """Return the request that this message answers, None if it names none."""
    content = content_index(frames)
    if content is None:
        return None
    parent = _object(frames[content - _CONTENT + _PARENT])
    msg_id = parent.get("msg_id")
    return Parent(msg_id, str(parent.get("msg_type", ""))) if isinstance(msg_id, str) else None


def message_id(frames: Sequence[bytes | memoryview]) -> str | None:
    """Return a message's own msg_id, None if it has none."""
    content = content_index(frames)
    if content is None:
        return None
    msg_id = _object(frames[content - _CONTENT + _HEADER]).get("msg_id")
    return msg_id if isinstance(msg_id, str) else None


def _object(frame: bytes | memoryview) -> dict[str, Any]:
    try:
        value = json.loads(bytes(frame))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
