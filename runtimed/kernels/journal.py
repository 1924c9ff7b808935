"""Read a runtime's journal from an offset on, while the keeper writes it."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from runtimed.wire import journal

if TYPE_CHECKING:
    from runtimed.wire.journal import Record

#: How much one read takes at the most, unless a single record is longer.
CHUNK_BYTES = 2 * 1024 * 1024


class JournalReader:
    """A place in one runtime's journal. Owned by the runtime's actor."""

    def __init__(self, directory: str, offset: int) -> None:
        self.directory = directory
        self.offset = offset
        self._fd: int | None = None
        self._start = 0
        self._chunk_bytes = CHUNK_BYTES

    def read(self) -> list[Record]:
        """Return the next whole records, at most `CHUNK_BYTES` of them; none at the end.

        Raises `journal.CorruptRecord` and `OSError`. The caller moves `offset` on when it has
        taken them in.
        """
        while True:
            if self._fd is None and not self._open_segment():
                return []
            assert self._fd is not None  # noqa: S101
            position = self.offset - self._start
            # Room for megabytes that are not there would take longer than to read what is.
            there_bytes = max(0, os.fstat(self._fd).st_size - position)
            buffer = os.pread(self._fd, min(there_bytes, self._chunk_bytes), position)
            records = list(journal.records(buffer, self.offset))
            if records:
                self._chunk_bytes = CHUNK_BYTES
                return records
            if len(buffer) == self._chunk_bytes:
                # One record longer than a chunk: its length is in its first four bytes.
                self._chunk_bytes = 8 + int.from_bytes(buffer[:4], "little")
                continue
            if buffer or not self._has_later_segment():
                return []
            self.close()

    def _segments(self) -> list[int]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return sorted(o for name in names if (o := journal.segment_offset(name)) is not None)

    def _open_segment(self) -> bool:
        """Open the segment that holds the offset; a journal may begin after it."""
        starts = self._segments()
        before = [start for start in starts if start <= self.offset]
        if not before:
            return False
        self._start = before[-1]
        path = os.path.join(self.directory, journal.segment_name(self._start))
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return True

    def _has_later_segment(self) -> bool:
        """Whether the segment is closed: its successor begins exactly where we are."""
        return any(self._start < start <= self.offset for start in self._segments())

    def next_segment(self) -> int | None:
        """Return where the next segment begins, None if this is the last one."""
        return next((start for start in self._segments() if start > self.offset), None)

    def written_end(self) -> int:
        """Return how far the journal's last segment reaches."""
        starts = self._segments()
        if not starts:
            return self.offset
        path = os.path.join(self.directory, journal.segment_name(starts[-1]))
        return starts[-1] + os.stat(path).st_size

    def seek(self, offset: int) -> None:
        """Read on from another offset."""
        self.close()
        self.offset = offset

    def unlink_before(self, offset: int) -> int:
        """Unlink closed segments that end at or before the offset; return how many."""
        starts = self._segments()
        gone = [start for start, end in itertools.pairwise(starts) if end <= offset]
        for start in gone:
            os.unlink(os.path.join(self.directory, journal.segment_name(start)))
        return len(gone)

    def begins(self) -> int | None:
        """Return where the journal's first segment begins; None where there is no segment."""
        return next(iter(self._segments()), None)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
