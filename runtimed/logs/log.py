"""The log of a process: one place, and a few entries that wait for it."""

from __future__ import annotations

import functools
import os
import stat
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from runtimed.logs import journald
from runtimed.logs.entry import Priority, entry
from runtimed.logs.files import RotatedFile
from runtimed.logs.streams import STDERR, Stderr

if TYPE_CHECKING:
    from runtimed.logs.entry import Entry, Role

#: How often what waits is tried again, and a file's size looked at, at least.
_TEND_S = 1.0
#: So many entries wait for a place that takes none; then they are counted only.
_MOST_WAITING = 1_000


class Place(Protocol):
    """Where entries go. Neither method waits for long, nor raises."""

    def put(self, entry: Entry) -> bool:
        """Write an entry; return False if it has to be tried again."""
        ...

    def tend(self) -> None:
        """Do what is due from time to time."""
        ...


class Log:
    """Entries on their way to a place; any thread may write. Nobody who writes waits for it."""

    def __init__(self, place: Place) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._place = place
        self._tended_s = time.monotonic()

    def move(self, place: Place) -> None:
        """Write to another place from now on."""
        with self._lock:
            self._place = place
            self._flush()

    def write(
        self,
        priority: Priority,
        text: str,
        runtime: str | None = None,
        execution: str | None = None,
    ) -> None:
        """Write that something has happened. Code, outputs and secrets are never in the text."""
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(entry(priority, text, runtime, execution))
            else:
                self._lost += 1
            self._flush()

    def tend(self) -> None:
        """Do what is due; call it often, at a turn of a loop say: mostly it does nothing."""
        now_s = time.monotonic()
        if now_s - self._tended_s >= _TEND_S:
            self._tended_s = now_s
            with self._lock:
                self._flush()
                self._place.tend()

    def _flush(self) -> None:
        while self._waiting:
            if not self._place.put(self._waiting[0]):
                return
            self._waiting.popleft()
        if self._lost:
            text = f"{self._lost} entries are missing here: the log could not be written"
            if self._place.put(entry(Priority.WARNING, text)):
                self._lost = 0


def standard_error(role: Role) -> Place:
    """Return stderr as the log's place: until it is known where it belongs."""
    return Stderr(functools.partial(_line, role.process))


def _line(process: str, entry: Entry) -> str:
    return entry.line(process)


def place_of(path: str, role: Role, file_bytes: int, files: int) -> Place:
    """Return where a process's log belongs.

    The journal, where stderr is that. stderr, where somebody reads it: a terminal, a pipe, a
    socket. Else the file, in place of what stderr was: a file that nobody keeps small, or nothing.
    Raises `OSError`.
    """
    if journald.is_stderr():
        return journald.Journal(role)
    if _has_reader():
        return standard_error(role)
    return RotatedFile(path, role, file_bytes, files)


def _has_reader() -> bool:
    try:
        mode = os.fstat(STDERR).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(STDERR)
