"""Read a log that is in rotated files, from its beginning, and go on with what comes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

from runtimed.logs.files import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Said where files were rotated away before they were read.
MISSED = b"[lines are missing here: the log was rotated away before they were read]\n"
_READ_BYTES = 1024 * 1024
#: So many files are read at a time: who had one open when it was renamed notices before their next
#: line, and that line may be on its way already.
_OPEN_FILES = 8


class _File:
    """One file of a log, opened; it goes on being read when it was renamed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        found = os.fstat(file.fileno())
        self.id = (found.st_dev, found.st_ino)
        self._begun = b""

    def lines(self) -> Iterator[bytes]:
        """Return the lines that have become complete."""
        if os.fstat(self.file.fileno()).st_size < self.file.tell():
            self.file.seek(0)  # somebody has emptied it
        while data := self.file.read(_READ_BYTES):
            *whole, self._begun = (self._begun + data).split(b"\n")
            for line in whole:
                yield line + b"\n"

    def rest(self) -> bytes:
        """Return a last line that nobody has ended."""
        rest, self._begun = self._begun, b""
        return rest + b"\n" if rest else b""


class Follower:
    """One log; `read` returns what is new since the last time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._files: list[_File] = []

    def read(self) -> Iterator[bytes]:
        """Return all complete lines that were not read yet, in order."""
        yield from self._read_opened()
        newer, is_whole = self._newer()
        if not newer:
            return
        # What was read last may have grown until it was renamed.
        yield from self._read_opened()
        if not is_whole:
            yield MISSED
        self._files += newer
        for each in newer:
            yield from each.lines()
        for each in self._files[:-_OPEN_FILES]:
            if rest := each.rest():
                yield rest
            each.file.close()
        del self._files[:-_OPEN_FILES]

    def _read_opened(self) -> Iterator[bytes]:
        for each in self._files:
            yield from each.lines()

    def _newer(self) -> tuple[list[_File], bool]:
        """Return the files after the one that was read last, oldest first, and whether all are.

        Files are renamed meanwhile: the same may turn up twice, and a number may be missing for a
        moment.
        """
        last = self._files[-1].id if self._files else None
        found: dict[tuple[int, int], _File] = {}
        number = missing = 0
        while missing < 2:
            try:
                each = _File(open(numbered(self._path, number), "rb"))
            except (FileNotFoundError, NotADirectoryError):
                missing += 1
            else:
                missing = 0
                if each.id == last:
                    each.file.close()
                    break
                if found.setdefault(each.id, each) is not each:
                    each.file.close()
            number += 1
        is_whole = last is None or missing == 0
        return list(reversed(found.values())), is_whole

    def close(self) -> None:
        """Close the files."""
        for each in self._files:
            with contextlib.suppress(OSError):
                each.file.close()
