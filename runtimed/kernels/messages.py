"""Jupyter messages: build and sign, verify and parse.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITER = b"<IDS|MSG>"
PROTOCOL_VERSION = "5.3"
#: Headers are small; a longer one is not a header that a kernel has written.
_PARTS = 5
#: Frames of so few bytes together are joined to be signed.
_JOINED_BYTES = 64 * 1024

Frame = bytes | memoryview
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class BadMessage(ValueError):
    """These frames are not a Jupyter message of this kernel: wrong signature, or malformed."""


@dataclass(slots=True)
class Message:
    """A verified message. The ``parent_*`` fields name what it answers.

    ``parent_subshell`` is the subshell that this went to, None where it was the main shell.
    ``size_bytes`` is that of its content and buffers, as they came.
    """

    msg_type: str
    msg_id: str
    session: str
    parent_id: str
    parent_session: str
    parent_type: str
    content: dict[str, Any]
    metadata: dict[str, Any]
    buffers: list[Frame]
    parent_subshell: str | None = None
    size_bytes: int = 0


class Signer:
    """One kernel's key: builds what we send, verifies what it sends."""

    def __init__(self, key: bytes, scheme: str, session: str) -> None:
        """Raises `BadMessage` for a signature scheme that hashlib does not know."""
        self.session = session
        self._key = key
        self._digest = scheme.removeprefix("hmac-")
        if self._digest not in hashlib.algorithms_available:
            raise BadMessage(f"unknown signature scheme {scheme}")

    def _sign(self, frames: Sequence[Frame]) -> bytes:
        if not self._key:
            return b""
        if sum(map(len, frames)) < _JOINED_BYTES:
            # In one go, without an object of Python's in between: most messages are small.
            return hmac.digest(self._key, b"".join(frames), self._digest).hex().encode()
        signature = hmac.new(self._key, digestmod=self._digest)
        for frame in frames:
            signature.update(frame)
        return signature.hexdigest().encode()

    def build(
        self,
        msg_type: str,
        content: dict[str, Any],
        *,
        msg_id: str,
        date: str,
        parent: dict[str, Any] | None = None,
        subshell_id: str | None = None,
    ) -> list[bytes]:
        """Return the frames of a message of ours; without a subshell it is for the main shell."""
        header = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": self.session,
            "username": "runtimed",
            "date": date,
            "version": PROTOCOL_VERSION,
        }
        if subshell_id is not None:
            header["subshell_id"] = subshell_id  # JEP 91
        frames = [_encode(header), _encode(parent or {}), b"{}", _encode(content)]
        return [DELIMITER, self._sign(frames), *frames]

    def parse(self, frames: Sequence[Frame], *, is_redacted: bool = False) -> Message:
        """Verify and parse what came from the kernel. Raises `BadMessage`.

        Of a redacted message the keeper has taken content and signature away.
        """
        start = next((i for i, frame in enumerate(frames) if frame == DELIMITER), None)
        if start is None or len(frames) < start + 1 + _PARTS:
            raise BadMessage("no delimiter, or too few frames")
        signature, *parts = frames[start + 1 : start + 1 + _PARTS]
        if not is_redacted and not hmac.compare_digest(self._sign(parts), bytes(signature)):
            raise BadMessage("the signature does not verify")
        try:
            header, parent, metadata, content = (_parsed(part) for part in parts)
            return Message(
                msg_type=str(header["msg_type"]),
                msg_id=str(header["msg_id"]),
                session=str(header.get("session", "")),
                parent_id=str(parent.get("msg_id", "")),
                parent_session=str(parent.get("session", "")),
                parent_type=str(parent.get("msg_type", "")),
                content=content,
                metadata=metadata,
                buffers=list(frames[start + 1 + _PARTS :]),
                parent_subshell=parent.get("subshell_id"),
                size_bytes=sum(map(len, frames[start + _PARTS :])),
            )
        except (ValueError, KeyError, RecursionError) as error:
            raise BadMessage(f"malformed: {error}") from error


def _parsed(part: Frame) -> dict[str, Any]:
    """Return what a part of a message says; of what is not JSON in UTF-8, what can be had.

    Kernels write NaN, halves of surrogate pairs and, where Python's ``surrogateescape`` is at
    work, bytes of no encoding. Raises `ValueError` or `RecursionError`.
    """
    try:
        return _decode(part)
    except ValueError:  # msgspec's errors and UnicodeDecodeError are both
        found = json.loads(bytes(part).decode("utf-8", "replace"), parse_constant=_no_number)
    if found is None:
        return {}  # xeus-python says null for a parent that there is not
    if not isinstance(found, dict):
        raise ValueError("not an object")
    whole: dict[str, Any] = _encodable(found)
    return whole


def _no_number(_: str) -> None:
    """NaN and the infinities become null, as in every JSON that has no such numbers."""


def _encodable(value: Any) -> Any:
    """Return the value with U+FFFD where a string has half a surrogate pair."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_encodable(name): _encodable(member) for name, member in value.items()}
        case list():
            return [_encodable(member) for member in value]
    return value


def execute_content(code: str, *, silent: bool) -> dict[str, Any]:
    """Return the content of an execute_request; a silent one leaves no trace in the kernel.

    Never ``stop_on_error``: a failing execution cancels what its submitter said, and no more.
    """
    return {
        "code": code,
        "silent": silent,
        "store_history": not silent,
        "user_expressions": {},
        "allow_stdin": not silent,
        "stop_on_error": False,
    }
