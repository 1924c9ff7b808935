"""Encode and decode the records of a runtime's journal.

A journal is a directory of segments named ``<start offset, 20 digits>.journal``. Offsets are
logical: they run on across segments, so one number names a position in a runtime's whole life.

A record, little endian::

    u32 body length | u32 crc32(body) | body
    body: u8 kind | u64 at_ns | u32 meta length | meta JSON | u16 n | n x u32 length | n frames

What the meta of each kind holds:

- ``RECV``: ``{"c": channel, "i": incarnation}``; the frames are the multipart message. With
  ``"redacted": true`` the content frame is ``{}``, the signature is empty, buffers are left out.
- ``SENT``: ``{"c": channel, "i": incarnation}``, and where they apply ``"id"`` (of the dispatch)
  and ``"secret": true`` (the content frame is ``{}`` instead of what was sent).
- ``EVENT``: ``{"event": one of Event, ...}``; which fields stands beside each `Event`.
"""

from __future__ import annotations

import enum
import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_RECORD_BYTES = 2**31 - 1
MAX_FRAMES = 2**16 - 1
SEGMENT_SUFFIX = ".journal"

_PREFIX = struct.Struct("<II")
_BODY = struct.Struct("<BQI")
_COUNT = struct.Struct("<H")
# An empty body has crc32 0: without a lower bound a tail of zero bytes would read as records.
_MIN_BODY_BYTES = _BODY.size + len(b"{}") + _COUNT.size


class Kind(enum.IntEnum):
    """What a record is about."""

    RECV = 1
    SENT = 2
    EVENT = 3


class Event(enum.StrEnum):
    """What an EVENT record says happened."""

    SEGMENT = "segment"
    """First record of each segment: all that a new keeper must know to go on."""
    SPAWNING = "spawning"
    """incarnation, argv, cwd, connection_file, stdout, stderr"""
    SPAWNED = "spawned"
    """incarnation, pid, start_time, boot_id, argv, cwd, connection_file, stdout, stderr"""
    OPENING = "opening"
    """incarnation, pid, start_time, boot_id, connection_file, launched, channels, overlaps (nothing
    that was said on iopub since the socket set before was missed): a new socket set for a kernel
    that exists"""
    CONNECTED = "connected"
    """incarnation, pid, channels, endpoints (transport, ip, ports, curve: whether), same_process,
    reason (absent, ``keeper_restarted``, or ``keeper_succeeded``: one handed over to the next)"""
    CONNECT_FAILED = "connect_failed"
    """incarnation, reason, channel"""
    DISCONNECTED = "disconnected"
    """incarnation, channel"""
    EXITED = "exited"
    """incarnation, pid, code, signal, reason (exit, signal, unknown, not_started), oom (whether the
    system killed it for want of memory, as far as that can be known), error"""
    UNSENT = "unsent"
    """incarnation, id, channel, reason: the SENT record of this id did not reach the socket"""
    RECORDING = "recording"
    """incarnation, record, session: from here on, what is written of other sessions' messages"""
    GAP = "gap"
    """reason (torn_tail, keeper_down, journal_full, unrecordable), and bytes, from_ns, to_ns or
    dropped"""


class CorruptRecord(ValueError):
    """These bytes are not a journal record."""


@dataclass(slots=True)
class Record:
    """One record; ``offset`` and ``end`` are logical and filled in by the reader."""

    kind: int
    at_ns: int
    meta: dict[str, Any]
    frames: list[memoryview | bytes]
    offset: int = 0
    end: int = 0


def encode(
    kind: int, at_ns: int, meta: dict[str, Any], frames: Sequence[bytes | memoryview] = ()
) -> list[bytes | memoryview]:
    """Return the record as buffers for `os.writev`; the frames are not copied."""
    packed_meta = json.dumps(meta, separators=(",", ":")).encode()
    sizes = [len(frame) for frame in frames]
    if len(sizes) > MAX_FRAMES or sum(sizes) + len(packed_meta) > MAX_RECORD_BYTES - 2**20:
        raise CorruptRecord(f"{len(sizes)} frames, {sum(sizes)} bytes: more than a record can hold")
    head = b"".join(
        (
            _BODY.pack(kind, at_ns, len(packed_meta)),
            packed_meta,
            _COUNT.pack(len(sizes)),
            struct.pack(f"<{len(sizes)}I", *sizes),
        )
    )
    length = len(head) + sum(sizes)
    checksum = zlib.crc32(head)
    for frame in frames:
        checksum = zlib.crc32(frame, checksum)
    return [_PREFIX.pack(length, checksum) + head, *frames]


def decode(
    buffer: bytes | bytearray | memoryview, position: int, base_offset: int
) -> Record | None:
    """Return the record at ``position``, or None while it is incomplete.

    ``base_offset`` is the logical offset of the buffer's first byte. The frames are views of the
    buffer. Raise `CorruptRecord` where the bytes cannot be the beginning of a valid record.
    """
    view = memoryview(buffer)
    start = position + _PREFIX.size
    if start > len(view):
        return None
    length, checksum = _PREFIX.unpack_from(view, position)
    if not _MIN_BODY_BYTES <= length <= MAX_RECORD_BYTES:
        raise CorruptRecord(f"body length {length} at {base_offset + position}")
    end = start + length
    if end > len(view):
        return None
    body = view[start:end]
    if zlib.crc32(body) != checksum:
        raise CorruptRecord(f"checksum differs at {base_offset + position}")
    kind, at_ns, meta, frames = _decode_body(body)
    return Record(kind, at_ns, meta, frames, base_offset + position, base_offset + end)


def _decode_body(body: memoryview) -> tuple[int, int, dict[str, Any], list[memoryview | bytes]]:
    try:
        kind, at_ns, meta_length = _BODY.unpack_from(body)
        cursor = _BODY.size + meta_length
        meta = json.loads(bytes(body[_BODY.size : cursor]))
        (count,) = _COUNT.unpack_from(body, cursor)
        cursor += _COUNT.size
        sizes = struct.unpack_from(f"<{count}I", body, cursor)
    except (struct.error, ValueError, RecursionError) as error:
        raise CorruptRecord(f"malformed body: {error}") from error
    cursor += 4 * count
    frames: list[memoryview | bytes] = []
    for size in sizes:
        frames.append(body[cursor : cursor + size])
        cursor += size
    if cursor != len(body) or not isinstance(meta, dict):
        raise CorruptRecord("malformed body: its parts do not add up")
    return kind, at_ns, meta, frames


def records(buffer: bytes | bytearray | memoryview, base_offset: int) -> Iterator[Record]:
    """Yield the records from the beginning of a buffer, up to the first incomplete one."""
    position = 0
    while (record := decode(buffer, position, base_offset)) is not None:
        yield record
        position = record.end - base_offset


def scan(buffer: bytes | bytearray | memoryview) -> int:
    """Return how many bytes from the beginning are whole, valid records."""
    valid = 0
    try:
        for record in records(buffer, 0):
            valid = record.end
    except CorruptRecord:
        pass
    return valid


def segment_name(offset: int) -> str:
    """Return the file name of the segment that starts at ``offset``."""
    return f"{offset:020d}{SEGMENT_SUFFIX}"


def segment_offset(name: str) -> int | None:
    """Return the start offset that a segment's file name says, or None for another file."""
    stem = name.removesuffix(SEGMENT_SUFFIX)
    if stem == name or len(stem) != 20 or not (stem.isascii() and stem.isdigit()):
        return None
    return int(stem)
