"""Jupyter's runtime directories, and the news from them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import sys
from typing import TYPE_CHECKING, Protocol

from runtimed.kernels.inotify import Inotify, Mask

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

log = logging.getLogger(__name__)

#: News of one burst are told once: a file is created, written and closed.
SETTLE_S = 0.02
#: Where there is no inotify, the directories are looked at so often.
POLL_S = 0.25
#: So many looks after a change news are told again: a file's content comes after its name.
_LOOKS_AFTER = 4

#: A name comes, goes, or means something else. A removed directory that somebody still has open
#: tells nothing of its end, so its name is watched too.
_NAMES = Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO
_IN_IT = _NAMES | Mask.MODIFY | Mask.CLOSE_WRITE
_TO_IT = Mask.ATTRIB | Mask.DELETE_SELF | Mask.MOVE_SELF
_GONE = Mask.IGNORED | Mask.UNMOUNT | Mask.Q_OVERFLOW
#: A path with one of these cannot be watched now; any other error is inotify's own.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)


def directories(extra: str = "") -> list[str]:
    """Return where connection files may be, absolute, each once; they need not exist.

    Jupyter's runtime directory as our environment has it, with and without JUPYTER_RUNTIME_DIR;
    the platform's default, which VS Code uses whatever the environment says; and the extra ones,
    separated by colons.
    """
    from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir

    data = ("Library", "Jupyter") if sys.platform == "darwin" else (".local", "share", "jupyter")
    found = [
        jupyter_runtime_dir(),
        os.path.join(jupyter_data_dir(), "runtime"),
        os.path.join(os.path.expanduser("~"), *data, "runtime"),
        *filter(None, extra.split(os.pathsep)),
    ]
    return list(dict.fromkeys(os.path.abspath(os.path.expanduser(path)) for path in found))


async def changes(directories: Iterable[str], rescan_s: float) -> AsyncGenerator[None, None]:
    """Yield at once, then whenever something may have changed, and once every ``rescan_s``.

    What changes after a yield, even before its receiver has looked, leads to another. Directories
    may come, go and be replaced. Only ``.json`` files count.
    """
    paths = list(directories)
    news = asyncio.Event()
    watch = _watch(paths, news.set)
    try:
        while True:
            yield
            try:
                async with asyncio.timeout(rescan_s):
                    await news.wait()
            except TimeoutError:
                watch.is_outdated = True  # what no event tells of: a link that leads elsewhere
            else:
                await asyncio.sleep(SETTLE_S)
            news.clear()
            if watch.is_outdated:
                watch.close()
                watch = _watch(paths, news.set)
    finally:
        watch.close()


class _Watch(Protocol):
    """Tells of changes. One that is outdated has lost some directory, and wants to be replaced."""

    is_outdated: bool

    def close(self) -> None: ...


def _watch(paths: list[str], tell: Callable[[], None]) -> _Watch:
    """Begin to watch these directories."""
    try:
        return _Listening(paths, tell)
    except OSError as error:
        log.info("the runtime directories are polled: %s", error)
        return _Polling(paths, tell)


class _Listening:
    """Told by inotify, without any work while nothing happens."""

    def __init__(self, paths: list[str], tell: Callable[[], None]) -> None:
        """Raises `OSError` if there is not enough of inotify."""
        self.is_outdated = False
        self._tell = tell
        self._full: set[int] = set()
        self._awaited: dict[int, set[str]] = {}
        self._inotify = Inotify()
        try:
            for path in paths:
                self._add(path)
        except OSError:
            self._inotify.close()
            raise
        asyncio.get_running_loop().add_reader(self._inotify, self._read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._inotify)
        self._inotify.close()

    def _add(self, path: str) -> None:
        """Watch a directory, and the name that it has in the one above.

        Where it is missing, the first missing part of its path is waited for. Each part is looked
        for only after its parent is watched, so that none appears unseen.
        """
        for _ in range(path.count(os.sep) + 1):
            part = self._await(path)
            if (watch := self._try(path, _IN_IT | _TO_IT)) is not None:
                self._full.add(watch)
                return
            if not os.path.isdir(part):
                return

    def _await(self, path: str) -> str:
        """Listen for the name of the first missing part of a path, or of its last; return it."""
        while path != os.sep:
            parent, name = os.path.split(path)
            if (watch := self._try(parent, _NAMES | _TO_IT)) is not None:
                self._awaited.setdefault(watch, set()).add(name)
                break
            path = parent
        return path

    def _try(self, path: str, mask: Mask) -> int | None:
        try:
            return self._inotify.watch(path, mask)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            return None

    def _read(self) -> None:
        for event in self._inotify.read():
            if (
                event.mask & _GONE
                or not event.name
                or event.name in self._awaited.get(event.watch, ())
            ):
                self.is_outdated = True
                self._tell()
            elif event.watch in self._full and event.name.endswith(".json"):
                self._tell()


class _Polling:
    """Where the directories' own times are looked at."""

    def __init__(self, paths: list[str], tell: Callable[[], None]) -> None:
        self.is_outdated = False
        self._paths = paths
        self._tell = tell
        self._seen = self._look()
        self._looks_left = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(POLL_S, self._poll)

    def close(self) -> None:
        self._timer.cancel()

    def _poll(self) -> None:
        seen = self._look()
        if seen != self._seen:
            self._seen, self._looks_left = seen, _LOOKS_AFTER
        if self._looks_left > 0:
            self._looks_left -= 1
            self._tell()
        self._timer = self._loop.call_later(POLL_S, self._poll)

    def _look(self) -> list[tuple[int, int, int]]:
        found = []
        for path in self._paths:
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found.append((status.st_dev, status.st_ino, status.st_mtime_ns))
        return found
