"""A log in files of a limited size: ``<name>``, then ``<name>.1``, ``<name>.2`` and so on.

stderr *is* the file: what the interpreter, a library or a crash writes there is in the log too,
and moves on with it. Several processes may have the same file open, as two keepers have while one
takes over; each looks before it writes whether the file is still the one of that name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from runtimed.logs.entry import encoded
from runtimed.logs.streams import STDERR

if TYPE_CHECKING:
    from runtimed.logs.entry import Entry, Role

_STDOUT = 1
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


def numbered(path: str, number: int) -> str:
    """Return the name of the file that was rotated out ``number`` times; 0 is the present one."""
    return f"{path}.{number}" if number else path


class RotatedFile:
    """Writes entries to a file, and makes stderr that file."""

    def __init__(self, path: str, role: Role, file_bytes: int, files: int) -> None:
        """``files`` counts the present one. Raises `OSError`."""
        self._path = path
        self._process = role.process
        self.file_bytes = file_bytes
        self.files = files
        self._is_torn = False
        self._open()

    def put(self, entry: Entry) -> bool:
        """Write an entry; return False if the disk does not take it now."""
        data = encoded(entry.line(self._process))
        self._settle(len(data))
        if self._is_torn:
            data = b"\n" + data
        try:
            while data:
                data = data[os.write(STDERR, data) :]
                self._is_torn = bool(data)
        except OSError:
            return False
        return True

    def tend(self) -> None:
        """Keep to the size, whoever has written."""
        self._settle(0)

    def _settle(self, more_bytes: int) -> None:
        """Make stderr the file of that name, with room for so much more."""
        with contextlib.suppress(OSError):
            if not self._is_current():
                self._open()
            if os.fstat(STDERR).st_size + more_bytes > self.file_bytes:
                self._rotate()
                if not self._is_current():
                    self._open()

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(STDERR), os.stat(self._path))
        except OSError:
            return False

    def _open(self) -> None:
        """Open the file of that name as stderr, and as stdout where that is the same file."""
        fd = os.open(self._path, _FLAGS, 0o600)
        if fd == STDERR:  # it was closed
            os.set_inheritable(fd, True)
            return
        try:
            if _is_one_file(_STDOUT, STDERR):
                os.dup2(fd, _STDOUT)
            os.dup2(fd, STDERR)
        finally:
            os.close(fd)

    def _rotate(self) -> None:
        """Rename the files, unless somebody else is at it: then they have done it the next time."""
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._is_current():
                return
            count = 1
            while os.path.lexists(numbered(self._path, count)):
                count += 1
            for number in range(count, 0, -1):
                if number < self.files:
                    os.rename(numbered(self._path, number - 1), numbered(self._path, number))
                else:  # also those of a time when more were kept
                    os.unlink(numbered(self._path, number - 1))
        finally:
            os.close(fd)


def _is_one_file(*fds: int) -> bool:
    try:
        return os.path.samestat(*map(os.fstat, fds))
    except OSError:
        return False
