"""The cached environments on disk: where each is, whether it is whole, who uses it now.

::

    <cache>/environments/<key>/               a virtual environment
    <cache>/environments/<key>/runtimed.json  written last: without it, it is not whole
    <cache>/environments/<key>.lock           exclusive: it is built, or removed;
                                              shared: a kernel is being started from it

When it was used last is the time of ``runtimed.json``. Several daemons may share the cache.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import json
import math
import os
import re
import shutil
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimed import host
from runtimed.paths import UnsafePath, check_private, make_dirs, private_dir
from runtimed.plain_files import read_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD = "runtimed.json"
_LOCK = ".lock"
#: What has another name is not ours to list, nor to remove.
_KEY = re.compile(r"[0-9a-f]{20}")
#: A record has a line for each requirement that somebody wrote.
_RECORD_BYTES = 1024 * 1024


class Record(NamedTuple):
    """What was built: for which requirements, from which Python, with what."""

    requirements: list[str]
    python_version: str
    tool: str
    size_bytes: int


class Cached(NamedTuple):
    """An environment in the cache; ``record`` is None where a build has not come to its end."""

    path: str
    record: Record | None
    used_s: float | None

    @property
    def name(self) -> str:
        """What to call it: the packages that were asked for, ipykernel aside."""
        if self.record is None:
            return os.path.basename(self.path)
        return name_of(self.record.requirements)

    @property
    def has_python(self) -> bool:
        """Whether its interpreter is there: it is a link to one that may be gone."""
        return os.access(os.path.join(self.path, "bin", "python"), os.X_OK)

    @property
    def has_ipykernel(self) -> bool:
        """Whether the module is there that a kernel is started by, and the package behind it."""
        packages = os.path.join(glob.escape(self.path), "lib*", "python3*", "site-packages")
        return any(
            os.path.isfile(os.path.join(directory, "ipykernel_launcher.py"))
            and os.path.isdir(os.path.join(directory, "ipykernel"))
            for directory in glob.glob(packages)
        )

    @property
    def damage(self) -> str | None:
        """What is gone from it, so that no kernel starts from it; None where nothing is."""
        if not self.has_python:
            return "its Python is gone"
        return None if self.has_ipykernel else "ipykernel is gone from it"


def name_of(requirements: list[str]) -> str:
    """Return what to call an environment with these."""
    names = [_package(each) for each in requirements]
    return "+".join(name for name in names if name != "ipykernel") or "ipykernel"


def _package(requirement: str) -> str:
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "._-")), None)
    return requirement[:end]


class Cache:
    """The directory of cached environments."""

    def __init__(self, cache_dir: str) -> None:
        self.directory = os.path.join(cache_dir, "environments")

    def create(self) -> None:
        """Create it, 0700: who may write there runs code as us. Raises `UnsafePath`, `OSError`."""
        make_dirs(os.path.dirname(self.directory))
        private_dir(self.directory)

    def check(self) -> None:
        """Raise `UnsafePath` where others may have written what would be run from it, as us.

        Anybody can compute a key. Raises `OSError` where it cannot be looked at; that there is
        none yet is right.
        """
        with contextlib.suppress(FileNotFoundError):
            try:
                check_private(self.directory)
            except UnsafePath as problem:
                advice = "what others may have put there would be run: remove it first"
                raise UnsafePath(f"{problem}; {advice}") from None

    def key_of(self, environment: str) -> str | None:
        """Return the key of an environment's directory, None where it is not one of ours."""
        above, name = os.path.split(os.path.realpath(environment))
        is_ours = _KEY.fullmatch(name) and above == os.path.realpath(self.directory)
        return name if is_ours else None

    def path(self, key: str) -> str:
        return os.path.join(self.directory, key)

    def lock_path(self, key: str) -> str:
        return self.path(key) + _LOCK

    def look(self, key: str) -> Cached:
        """Return what there is of an environment."""
        path = self.path(key)
        record_path = os.path.join(path, _RECORD)
        try:
            record = _record_of(json.loads(read_plain(record_path, _RECORD_BYTES)))
            return Cached(path, record, os.stat(record_path).st_mtime)
        except (OSError, ValueError, TypeError, RecursionError):
            return Cached(path, None, None)

    def is_ready(self, key: str) -> bool:
        """Return whether a kernel can be started from it."""
        found = self.look(key)
        return found.record is not None and found.damage is None

    def mark_ready(self, key: str, record: Record) -> None:
        """Say that it is whole. Raises `OSError`."""
        path = os.path.join(self.path(key), _RECORD)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(record._asdict(), file)
        os.replace(path + ".tmp", path)

    def mark_used(self, key: str) -> None:
        """Note that it was used now."""
        with contextlib.suppress(OSError):  # a full disk, or read-only: it is used all the same
            os.utime(os.path.join(self.path(key), _RECORD))

    def all(self) -> Iterator[Cached]:
        """Yield all that is there, by key; what is there besides is none of ours."""
        try:
            names = sorted(os.listdir(self.directory))
        except OSError:
            return
        for name in filter(_KEY.fullmatch, names):
            # A link is none of ours, and what it leads to is not ours to remove.
            with contextlib.suppress(OSError):
                found = os.lstat(self.path(name))
                if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                    yield self.look(name)

    def dissolve(self) -> None:
        """Remove the directory and the locks that were left, where there is nothing else."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.directory):
                if name.endswith(_LOCK) and _KEY.fullmatch(name.removesuffix(_LOCK)):
                    os.unlink(self.path(name))
            os.rmdir(self.directory)
            os.rmdir(os.path.dirname(self.directory))

    def unused_since(self, before_s: float) -> list[Cached]:
        """Return those that were last used before, and that no program of ours runs from."""
        old = [one for one in self.all() if one.used_s is None or one.used_s <= before_s]
        # Other daemons' kernels are among them, and what people start by its path.
        programs = _programs() if old else []
        return [one for one in old if not _runs_from(one.path, programs)]

    def is_free(self, key: str) -> bool:
        """Return whether it could be removed now. Raises `OSError`."""
        try:
            lock = take(self.lock_path(key), is_shared=False, waits=False, creates=False)
        except FileNotFoundError:
            return True
        if lock is not None:
            lock.close()
        return lock is not None

    def remove(self, key: str, before_s: float = math.inf) -> bool:
        """Remove it; False where it is in use, or was used after that.

        Raises `OSError` where something resists.
        """
        lock = take(self.lock_path(key), is_shared=False, waits=False)
        if lock is None:
            return False
        with lock:
            path = self.path(key)
            # Only now can nobody start from it: what was seen before may be long ago.
            used_s = self.look(key).used_s
            if (used_s is not None and used_s > before_s) or _runs_from(path, _programs()):
                return False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(path, _RECORD))  # from here on it is not whole
            if os.path.lexists(path):
                shutil.rmtree(path)
            lock.discard()
        return True


def _record_of(facts: dict[str, Any]) -> Record:
    """Return the record that was written. Raises `TypeError` where it is another's."""
    record = Record(**facts)
    if not isinstance(record.requirements, list):
        raise TypeError(facts)
    texts = [*record.requirements, record.python_version, record.tool]
    if not isinstance(record.size_bytes, int) or not all(isinstance(text, str) for text in texts):
        raise TypeError(facts)
    return record


def _programs() -> list[str]:
    """Return the programs that run, by the directories in which they really are.

    The program itself is not resolved: a virtual environment's is a link to another.
    """
    named = {words[0] for pid in host.pids() if (words := host.arguments_of(pid))}
    found = [os.path.split(program) for program in named if os.path.isabs(program)]
    return [os.path.join(os.path.realpath(directory), name) for directory, name in found]


def _runs_from(path: str, programs: list[str]) -> bool:
    inside = os.path.realpath(path) + os.sep
    return any(program.startswith(inside) for program in programs)


class Lock:
    """A lock that is held until it is closed, or the process ends."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it up, for those who were given it too; again is nothing."""
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        """Return its descriptor: a child that is given it holds the lock on, should we be ended."""
        return self._fd

    def discard(self) -> None:
        """Remove its file, holding it exclusively: who waits for it sees that, and retries."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


def take(path: str, *, is_shared: bool, waits: bool, creates: bool = True) -> Lock | None:
    """Take the lock; None where somebody else has it and we do not wait. Raises `OSError`."""
    operation = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if creates else 0)
    while True:
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, operation if waits else operation | fcntl.LOCK_NB)
            if _is_still(fd, path):
                return Lock(fd, path)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES) and not waits:
                return None
            raise
        os.close(fd)


def _is_still(fd: int, path: str) -> bool:
    """Whether the file that was locked is the one of that name: its last holder may remove it."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
