"""Append a runtime's records to its journal; survive a full disk; read it back after a crash."""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtimed.paths import make_dirs
from runtimed.wire import journal as codec
from runtimed.wire.journal import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEGMENT_BYTES = int(os.environ.get("RUNTIMED_SEGMENT_BYTES", 64 * 2**20))
MAX_PENDING_BYTES = int(os.environ.get("RUNTIMED_PENDING_BYTES", 64 * 2**20))

_BUFFERS_PER_WRITE = 512
Buffers = list[bytes | memoryview]


@dataclass(slots=True)
class Pending:
    """How many bytes all journals together hold in memory because they cannot be written."""

    limit_bytes: int = MAX_PENDING_BYTES
    used_bytes: int = 0


@dataclass(slots=True)
class _Tail:
    """What recovery found at the end of a journal."""

    start: int = 0
    size: int = 0
    torn_bytes: int = 0
    last_at_ns: int = 0
    exists: bool = False


@dataclass(slots=True)
class _Waiting:
    """Records that could not be written yet, in order, and how many were dropped after them."""

    records: deque[Buffers] = field(default_factory=deque)
    dropped: int = 0


class Journal:
    """The segments of one runtime.

    ``head`` gives the meta of the event that heads the next segment, ``begun`` is told it when
    that segment exists.
    """

    def __init__(
        self,
        directory: str,
        pending: Pending,
        head: Callable[[], dict[str, Any]],
        begun: Callable[[dict[str, Any]], None],
    ) -> None:
        self._directory = directory
        self._pending = pending
        self._head = head
        self._begun = begun
        self._waiting = _Waiting()
        self._fd = -1
        self._start = 0
        self._size = 0
        self._rotate_at = SEGMENT_BYTES
        self._must_cut = False

    @property
    def end(self) -> int:
        """The logical offset up to which the journal can be read."""
        return self._start + self._size

    @property
    def is_stuck(self) -> bool:
        """Whether records wait in memory."""
        return bool(self._waiting.records) or self._waiting.dropped > 0

    def append(
        self,
        kind: Kind,
        meta: dict[str, Any],
        frames: Sequence[bytes | memoryview] = (),
        *,
        or_refuse: bool = False,
    ) -> bool:
        """Write a record; return whether it is written, else it waits in memory or is counted.

        With ``or_refuse`` a record that cannot be written now is given up: it does not wait.
        """
        try:
            buffers = codec.encode(kind, time.time_ns(), meta, frames)
        except codec.CorruptRecord:
            buffers = _gap("unrecordable", 1)
            if or_refuse:
                return False
        # Before and not after: what a segment's head says must include the record before it, and
        # the caller takes a record into account when it is written.
        if self._size >= self._rotate_at:
            self.rotate()
        if self.retry() and self._try_write(buffers):
            return True
        if not or_refuse:
            self._wait(buffers, kind)
        return False

    def _wait(self, buffers: Buffers, kind: Kind) -> None:
        size = sum(map(len, buffers))
        waiting = self._waiting
        if kind == Kind.EVENT:
            # Events are few, small, and what everything else hangs on: they always wait.
            if waiting.dropped:
                self._push(_gap("journal_full", waiting.dropped))
                waiting.dropped = 0
            self._push(buffers)
        elif waiting.dropped or self._pending.used_bytes + size > self._pending.limit_bytes:
            waiting.dropped += 1
        else:
            self._push(buffers)

    def _push(self, buffers: Buffers) -> None:
        self._waiting.records.append(buffers)
        self._pending.used_bytes += sum(map(len, buffers))

    def retry(self) -> bool:
        """Write what waits, and the gap after it; return whether nothing waits any more."""
        waiting = self._waiting
        while waiting.records:
            if not self._try_write(waiting.records[0]):
                return False
            self._pending.used_bytes -= sum(map(len, waiting.records.popleft()))
        if waiting.dropped:
            if not self._try_write(_gap("journal_full", waiting.dropped)):
                return False
            waiting.dropped = 0
        return True

    def _try_write(self, buffers: Buffers) -> bool:
        try:
            self._open()
            self._write(buffers)
        except OSError:
            return False
        return True

    def _write(self, buffers: Buffers) -> None:
        """Write all of it or nothing; raises OSError."""
        if self._must_cut:
            os.ftruncate(self._fd, self._size)
            self._must_cut = False
        total = sum(map(len, buffers))
        written = 0
        try:
            while written < total:
                step = os.writev(self._fd, buffers[:_BUFFERS_PER_WRITE])
                written += step
                if written < total:
                    buffers = _after(buffers, step)
        except OSError:
            if written:
                self._must_cut = True
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                    self._must_cut = False
            raise
        self._size += total

    def _open(self) -> None:
        if self._fd >= 0:
            return
        if self._size == 0:
            self._begin(self._start)
            return
        try:
            self._fd = os.open(self._path(self._start), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:  # removed under us
            self._begin(self.end)

    def _path(self, start: int) -> str:
        return os.path.join(self._directory, codec.segment_name(start))

    def _begin(self, start: int) -> None:
        """Create the segment that starts here, with its head; raises OSError and leaves nothing.

        The directory is created too: the first segment has none, and somebody may have removed it.
        """
        for directory in (os.path.dirname(self._directory), self._directory):
            make_dirs(directory)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        old = (self._fd, self._start, self._size)
        path = self._path(start)
        self._fd = os.open(path, flags, 0o600)
        self._start, self._size = start, 0
        head = self._head()
        try:
            self._write(codec.encode(Kind.EVENT, time.time_ns(), head))
        except OSError:
            os.close(self._fd)
            self._fd, self._start, self._size = old
            self._must_cut = False
            os.unlink(path)
            raise
        self._rotate_at = SEGMENT_BYTES
        self._begun(head)

    def rotate(self) -> bool:
        """Close the segment and begin the next; return False if it goes on in the old one."""
        old_fd = self._fd
        try:
            if self._size == 0 or not self.retry():
                return False
            self._open()
            old_fd = self._fd
            self._begin(self.end)
        except OSError:
            self._rotate_at = self._size + SEGMENT_BYTES // 16
            return False
        os.close(old_fd)
        return True

    def close(self) -> None:
        """Give the descriptor back; the next record opens the segment again."""
        if self._fd >= 0 and not self.is_stuck and not self._must_cut:
            os.close(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """Give up everything, also what waits."""
        self._pending.used_bytes -= sum(sum(map(len, each)) for each in self._waiting.records)
        self._waiting = _Waiting()
        self._must_cut = False
        self.close()

    def recover(self, apply: Callable[[codec.Record], None]) -> _Tail:
        """Read the last segment back and cut a torn tail; raises OSError.

        A segment without one whole record was begun in the moment of the crash: it is removed.
        """
        tail = _Tail()
        for start in sorted(self._segments(), reverse=True):
            path = self._path(start)
            size = os.path.getsize(path)
            _read(path, start, tail, apply)
            tail.torn_bytes += size - tail.size
            if tail.size == 0:
                os.unlink(path)
                continue
            if tail.size < size:
                os.truncate(path, tail.size)
            tail.exists = True
            self._start, self._size = start, tail.size
            break
        return tail

    def _segments(self) -> list[int]:
        names = os.listdir(self._directory) if os.path.isdir(self._directory) else []
        return [start for name in names if (start := codec.segment_offset(name)) is not None]


def _read(path: str, start: int, tail: _Tail, apply: Callable[[codec.Record], None]) -> None:
    tail.start, tail.size = start, 0
    if os.path.getsize(path) == 0:
        return
    with Path(path).open("rb") as file:
        # Unmapped when the last view of it has gone, which a record may hold a little longer.
        memory = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    with contextlib.suppress(codec.CorruptRecord):
        for record in codec.records(memory, start):
            tail.size, tail.last_at_ns = record.end - start, record.at_ns
            apply(record)


def _after(buffers: Buffers, written: int) -> Buffers:
    """Return what is left of the buffers after so many bytes."""
    for index, buffer in enumerate(buffers):
        if written < len(buffer):
            return [memoryview(buffer)[written:], *buffers[index + 1 :]]
        written -= len(buffer)
    return []


def _gap(reason: str, dropped: int) -> Buffers:
    meta = {"event": Event.GAP, "reason": reason, "dropped": dropped}
    return codec.encode(Kind.EVENT, time.time_ns(), meta)
