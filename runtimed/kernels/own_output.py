"""What kernels' processes themselves write to stdout and stderr: files that grow, and are cut.

A kernel has the file open and writes past us, whoever of us lives, so its size can be limited only
from outside: by copying the end of the file to its beginning and cutting off the rest. That it
appends (O_APPEND) makes this safe.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
import os
import re
import threading
from typing import TYPE_CHECKING, NamedTuple

from runtimed.kernels.inotify import Inotify, Mask
from runtimed.logs import about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.config import Config

log = logging.getLogger(__name__)

#: How soon after something was written sizes are looked at: a disk takes a few hundred megabytes.
SETTLE_S = 0.5
_CHUNK_BYTES = 1024 * 1024
#: A kernel that writes faster than we copy is not followed for ever.
_MOST_CHUNKS = 256
_MARK = b"[runtimed: %d bytes were left out here]\n"
_MARKED = re.compile(rb"\[runtimed: (\d{1,18}) bytes were left out here\]\n")
_MARK_BYTES = 64
#: Who reads while the end is moved to the beginning would read a mixture of both.
_still = threading.Lock()


class Piece(NamedTuple):
    """A piece of what was written, and where it ends, counted from the first byte ever."""

    text: str
    end: int


class OwnOutput:
    """The files of all kernels: keeps them small, and tells who waits that something was written.

    ``run`` is a task of the supervisor's.
    """

    def __init__(self, directory: str, config: Config) -> None:
        self._directory = directory
        self._config = config
        self._pulse = asyncio.Event()

    async def run(self) -> None:
        """Look at the files whenever something was written, until cancelled."""
        with _News(self._directory) as news:
            while True:
                await asyncio.to_thread(self._cut_all)
                await news.wait(self._config.probe_interval_s)
                await asyncio.sleep(SETTLE_S)
                news.listen()  # before the look: what comes during it is news
                self.tell()

    def tell(self) -> None:
        """Wake those who wait: something was written, or never will be."""
        self._pulse.set()
        self._pulse = asyncio.Event()

    def next_news(self) -> asyncio.Event:
        """Return what will be set when something has happened after now."""
        return self._pulse

    def _cut_all(self) -> None:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                limit_bytes = self._config.kernel_log_bytes
                try:
                    if entry.stat().st_size > limit_bytes:
                        keep_end(entry.path, limit_bytes // 2)
                except FileNotFoundError:
                    continue  # its runtime was removed
                except OSError as error:
                    runtime = entry.name.partition(".")[0]
                    log.warning("%s stays long: %s", entry.path, error, extra=about(runtime))


class _News:
    """Tells that something was written to a file of a directory: once, until asked again.

    It costs nothing while kernels write nothing, and one event however much they write. Where
    there is no inotify, time alone tells.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._has_come = asyncio.Event()
        self._inotify: Inotify | None = None

    def __enter__(self) -> _News:
        try:
            self._inotify = Inotify()
        except OSError as error:
            log.info("the kernels' own output is polled: %s", error)
        else:
            asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._hear)
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()

    def _hear(self) -> None:
        assert self._inotify is not None  # noqa: S101
        self._inotify.read()
        self._has_come.set()

    def listen(self) -> None:
        """Have the next write told."""
        self._has_come.clear()
        if self._inotify is not None:
            try:
                self._inotify.watch(self._directory, Mask.MODIFY | Mask.ONESHOT)
            except OSError as error:
                log.warning("%s is not watched: %s", self._directory, error)

    async def wait(self, most_s: float) -> None:
        """Wait for a write; where none can be heard, for so long."""
        if self._inotify is not None:
            await self._has_come.wait()
        else:
            await asyncio.sleep(most_s)


def keep_end(path: str, keep_bytes: int) -> None:
    """Cut a file to its last bytes, from a line's beginning, after a line that says so.

    What is appended in the instant between the last look and the cut is lost. Raises `OSError`.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with _still:
            _move_end(fd, keep_bytes)
    finally:
        os.close(fd)


def clear(path: str) -> None:
    """Cut a file to the line that says how much was left out. Raises `OSError`.

    What is appended in that instant is lost. Without a file there is nothing to be done.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        with _still:
            left_out, mark_bytes = _beginning(fd)
            its_bytes = os.fstat(fd).st_size - mark_bytes
            if its_bytes > 0:
                os.ftruncate(fd, os.pwrite(fd, _MARK % (left_out + its_bytes), 0))
    finally:
        os.close(fd)


def _move_end(fd: int, keep_bytes: int) -> None:
    left_out, mark_bytes = _beginning(fd)
    source = os.fstat(fd).st_size - keep_bytes
    if source <= _MARK_BYTES:
        return
    source += os.pread(fd, _CHUNK_BYTES, source).find(b"\n") + 1
    mark = _MARK % (left_out + source - mark_bytes)
    target = os.pwrite(fd, mark, 0)
    for _ in range(_MOST_CHUNKS):
        if not (chunk := os.pread(fd, _CHUNK_BYTES, source)):
            break
        source += len(chunk)
        target += os.pwrite(fd, chunk, target)
    os.ftruncate(fd, target)


def _beginning(fd: int) -> tuple[int, int]:
    """Return how many bytes were cut off before, and the length of the line that says so."""
    marked = _MARKED.match(os.pread(fd, _MARK_BYTES, 0))
    return (int(marked[1]), marked.end()) if marked else (0, 0)


def read_end(path: str, most_bytes: int) -> Piece:
    """Return the end of a file, from a line's beginning; empty without one."""
    with _opened(path) as fd:
        if fd is None:
            return Piece("", 0)
        left_out, mark_bytes = _beginning(fd)
        size = os.fstat(fd).st_size
        data = os.pread(fd, min(most_bytes, size), max(0, size - most_bytes))
        end = left_out + size - mark_bytes
        if size > most_bytes:
            data = data.partition(b"\n")[2]
        return Piece(data.decode("utf-8", "replace"), end)


def read_from(path: str, begin: int, most_bytes: int) -> Piece:
    """Return what follows an earlier piece's end; half a character waits for the other half."""
    with _opened(path) as fd:
        if fd is None:
            return Piece("", begin)
        left_out, mark_bytes = _beginning(fd)
        # Where what follows was cut off, the line that says so comes first.
        position = 0 if begin < left_out else begin - left_out + mark_bytes
        data = os.pread(fd, most_bytes, position)
        text, used = codecs.utf_8_decode(data, "replace", False)
        if not data:
            return Piece("", begin)
        return Piece(text, left_out + max(0, position + used - mark_bytes))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int | None]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        with _still:
            yield fd
    finally:
        os.close(fd)
