"""Linux's own news of directories: inotify(7), through libc.

Not by watchfiles: its thread wakes up once a step (5 ms: 0.5 % of a core, 50 ms: 0.16 %) for as
long as nothing happens, and this not at all.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import struct
from typing import NamedTuple

from runtimed.host import ON_LINUX

_EVENT = struct.Struct("iIII")
_READ_BYTES = 64 * 1024


class Mask(enum.IntFlag):
    """What may happen in, or to, a watched directory (sys/inotify.h)."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x01000000
    MASK_ADD = 0x20000000
    ONESHOT = 0x80000000


class Event(NamedTuple):
    """One event. ``name`` is empty where it concerns the watched directory itself."""

    watch: int
    mask: Mask
    name: str


class Inotify:
    """One inotify instance. A user has 128 of them, unless told otherwise."""

    def __init__(self) -> None:
        """Raises `OSError` where there is no inotify, or no more of it."""
        if not ON_LINUX:
            raise OSError(errno.ENOSYS, "inotify is Linux's")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), None)

    def fileno(self) -> int:
        return self._fd

    def watch(self, path: str, mask: Mask) -> int:
        """Watch a directory, besides what is watched of it already. Raises `OSError`.

        Returns the watch's number: the same for the same directory, by whatever path.
        """
        flags = mask | Mask.ONLYDIR | Mask.MASK_ADD
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(flags))
        return self._checked(watch, path)

    def read(self) -> list[Event]:
        """Return what has happened; nothing if nothing has."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return []
        events = []
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
            events.append(Event(watch, Mask(mask), name))
            offset += length
        return events

    def close(self) -> None:
        """End all watches."""
        os.close(self._fd)

    @staticmethod
    def _checked(result: int, path: str | None) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
        return result
