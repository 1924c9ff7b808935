"""One daemon a state directory: its lock, and how a daemon displaces another."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from runtimed.host import ON_LINUX, arguments_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.paths import State

log = logging.getLogger(__name__)

#: How long a daemon that is stopping may still hold the lock when its successor comes: it
#: finishes calls, and moves its log into the database.
STOPPING_S = 30.0
_RETRY_S = 0.02


class AlreadyRunning(Exception):
    """Another daemon has this state directory."""


@contextlib.contextmanager
def only_one(state: State, socket: str = "", *, takes_over: bool = False) -> Iterator[None]:
    """Hold the daemon's lock; who takes over asks the daemon that holds it to stop.

    Its file has our pid, and where we answer: whoever finds nobody at another socket learns it
    there. Raises `AlreadyRunning`, with the pid of who holds it.
    """
    fd = os.open(state.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(fd, state, takes_over)
        os.truncate(fd, 0)
        os.pwrite(fd, os.fsencode(f"{os.getpid()}\n" + (f"{socket}\n" if socket else "")), 0)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, state: State, takes_over: bool) -> None:
    deadline = time.monotonic() + STOPPING_S
    asked = None
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).partition(b"\n")[0].decode(errors="replace").strip()
        is_late = time.monotonic() > deadline
        # One that is stopping has said so by emptying the file: it is waited for.
        if is_late or (holder and not takes_over):
            stays = ", and does not stop" if is_late else ""
            raise AlreadyRunning(
                f"another runtimed (pid {holder or asked or 'unknown'}) uses {state.dir}{stays}; "
                "`runt service restart` puts one in its place that answers"
            )
        if holder and holder != asked and _ask_to_stop(holder, fd):
            log.info("taking over from the daemon with pid %s", holder)
            asked = holder
        time.sleep(_RETRY_S)


def _ask_to_stop(holder: str, lock: int) -> bool:
    """Send SIGTERM to a process if it is the daemon that holds the lock; return whether it was."""
    if not holder.isdecimal():
        return False
    pid = int(holder)
    try:
        if not ON_LINUX:
            return _terminate_by_name(pid)
        # Through a descriptor of the process: a pid may be another's by the time it is signalled.
        process = os.pidfd_open(pid)
        try:
            if not _has_open(pid, lock):
                return False
            signal.pidfd_send_signal(process, signal.SIGTERM)
        finally:
            os.close(process)
    except OSError:
        return False  # it has gone, or is not ours
    return True


def _terminate_by_name(pid: int) -> bool:
    if not any("runtimed" in word for word in arguments_of(pid)):
        return False
    os.kill(pid, signal.SIGTERM)
    return True


def _has_open(pid: int, lock: int) -> bool:
    """Return whether a process has the very file open that the descriptor is of."""
    ours = os.fstat(lock)
    with os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                theirs = os.stat(entry.path)
                if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
                    return True
    return False
