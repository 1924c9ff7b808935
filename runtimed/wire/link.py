"""Encode and decode what daemon and keeper say to each other.

A frame, little endian::

    u32 total | u32 header length | header JSON | per payload: u32 length, bytes

``total`` counts what follows it. Requests are ``{"op": Op, "n": int, ...}``, replies
``{"re": n, ...}`` or ``{"re": n, "error": Refusal, "message": str}``; unasked comes only the
doorbell ``{"bell": {runtime: end offset, ...}}``.
"""

from __future__ import annotations

import enum
import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1
MAX_FRAME_BYTES = 2**30

_U32 = struct.Struct("<I")


class Op(enum.StrEnum):
    """What the daemon can ask of the keeper."""

    HELLO = "hello"
    SUCCEED = "succeed"
    """pid: the sender is another keeper, of newer code. From here on the two speak among themselves
    on this connection (`runtimed.keeper.passage`); the daemon's is not fenced by it."""
    SPAWN = "spawn"
    OPEN = "open"
    SEND = "send"
    INTERRUPT = "interrupt"
    SIGNAL = "signal"
    PROBE = "probe"
    RECORD = "record"
    """runtime, record (all, metadata, off), session: what is journaled of iopub messages that
    belong to requests of other sessions. Creates the runtime: it may come before `OPEN`."""
    FORGET = "forget"
    ROTATE = "rotate"
    KEYPAIR = "keypair"
    STOP = "stop"


class Refusal(enum.StrEnum):
    """Why the keeper did not do what it was asked."""

    NO_HELLO = "no_hello"
    BAD_REQUEST = "bad_request"
    UNKNOWN_RUNTIME = "unknown_runtime"
    STALE_INCARNATION = "stale_incarnation"
    NOT_CONNECTED = "not_connected"
    AGAIN = "again"
    JOURNAL_FAILED = "journal_failed"
    SPAWN_FAILED = "spawn_failed"
    NO_ENVIRONMENT = "no_environment"
    ALREADY_RUNNING = "already_running"
    CONNECT_FAILED = "connect_failed"
    NO_ROOM = "no_room"
    """Too few file descriptors are left."""
    ENDING = "ending"
    """The keeper is told to end: it begins nothing any more."""
    DEFECT = "defect"


class MalformedFrame(ValueError):
    """The other side does not speak this protocol."""


def encode(header: dict[str, Any], payloads: Sequence[bytes | memoryview] = ()) -> bytes:
    """Return one frame."""
    packed = json.dumps(header, separators=(",", ":")).encode()
    total = _U32.size + len(packed) + sum(_U32.size + len(payload) for payload in payloads)
    if total > MAX_FRAME_BYTES:
        raise MalformedFrame(f"a frame of {total} bytes is over the limit of {MAX_FRAME_BYTES}")
    parts: list[bytes | memoryview] = [_U32.pack(total), _U32.pack(len(packed)), packed]
    for payload in payloads:
        parts += (_U32.pack(len(payload)), payload)
    return b"".join(parts)


class Decoder:
    """Turn a byte stream into frames; not usable any more once it has raised.

    The first frame may have a smaller limit: who speaks another protocol is found out by it.
    """

    def __init__(self, first_limit_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._limit_bytes = first_limit_bytes

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], list[bytes]]]:
        """Take what was read; return the frames that are complete with it, in order."""
        self._buffer += data
        frames = []
        position = 0
        while position + _U32.size <= len(self._buffer):
            (total,) = _U32.unpack_from(self._buffer, position)
            if not _U32.size < total <= self._limit_bytes:
                raise MalformedFrame(f"frame of {total} bytes")
            end = position + _U32.size + total
            if end > len(self._buffer):
                break
            frames.append(_decode_frame(bytes(self._buffer[position + _U32.size : end])))
            position = end
            self._limit_bytes = MAX_FRAME_BYTES
        del self._buffer[:position]
        return frames


def _decode_frame(frame: bytes) -> tuple[dict[str, Any], list[bytes]]:
    (length,) = _U32.unpack_from(frame)
    cursor = _U32.size + length
    try:
        header = json.loads(frame[_U32.size : cursor])
    except (ValueError, RecursionError) as error:
        raise MalformedFrame(f"header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise MalformedFrame("header is not an object")
    payloads = []
    while cursor < len(frame):
        if cursor + _U32.size > len(frame):
            raise MalformedFrame("payload length is cut")
        (size,) = _U32.unpack_from(frame, cursor)
        cursor += _U32.size
        if cursor + size > len(frame):
            raise MalformedFrame("payload is cut")
        payloads.append(frame[cursor : cursor + size])
        cursor += size
    if cursor != len(frame):
        raise MalformedFrame("header is cut")
    return header, payloads
