"""The Unix socket: bind it so that only its owner reaches it, serve it, take it away.

A socket that a service manager has bound is looked at as strictly, and stays when we go: who
connects in the meantime waits for the next daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
from typing import TYPE_CHECKING

from runtimed.hangup import HangupWatch
from runtimed.paths import UnsafePath, check_private, check_socket_path, private_dir
from runtimed.server.door import Door
from runtimed.server.hall import Hall, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.server.dispatch import Dispatcher

log = logging.getLogger(__name__)

_BACKLOG = 1024
#: Connections accepted in one turn of the loop; the others' turns come in between.
_ACCEPTED_AT_ONCE = 100
_ACCEPT_RETRY_S = 1.0


class AlreadyServed(OSError):
    """Another process answers at the socket path."""


def bind(path: str) -> socket.socket:
    """Return a listening socket at the path, mode 0600, in a directory that is ours alone.

    A socket file that nobody answers at is replaced; the caller holds the daemon's lock, so that
    no second daemon does the same. Raises `UnsafePath`, `AlreadyServed` or `OSError`.
    """
    check_socket_path(path)
    private_dir(os.path.dirname(path))
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # By umask and not by chmod afterwards: in between, anybody could connect.
        old = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(old)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def check_given(listener: socket.socket) -> str:
    """Return where a socket that we were given listens, if only we can reach it there.

    Raises `UnsafePath`, or `OSError` where its file has gone.
    """
    path = listener.getsockname()
    if not isinstance(path, str) or not os.path.isabs(path):
        raise UnsafePath(f"the socket that we were given has no path of a file: {path!r}")
    check_private(os.path.dirname(path))
    found = os.lstat(path)
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise UnsafePath(
            f"{path} must be a socket of ours with mode 0600; it has mode {mode} "
            f"and belongs to uid {found.st_uid}"
        )
    return path


def _remove_stale(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise UnsafePath(f"{path} is there and is not a socket; it is not removed")
    if found.st_uid != os.geteuid():
        raise UnsafePath(f"{path} belongs to uid {found.st_uid}, not to us")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(path)
    if code == errno.ECONNREFUSED:
        os.unlink(path)
    elif code != errno.ENOENT:
        # Connected, or its backlog is full (EAGAIN): somebody listens.
        raise AlreadyServed(errno.EADDRINUSE, "another process answers at this socket", path)


class UnixServer:
    """Serve a dispatcher at a socket path. Its tasks run in the caller's task group.

    ``listener`` is the socket there, where a service manager has bound it (see `check_given`).
    """

    def __init__(
        self,
        path: str,
        dispatcher: Dispatcher,
        tasks: asyncio.TaskGroup,
        limits: Limits | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self.path = path
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._limits = limits or Limits()
        self._given = listener
        self._bound_inode: int | None = None
        self._admissions: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Bind and listen; requests are answered from here on. Raises as `bind` does."""
        if self._given is None:
            self._listener = bind(self.path)
            self._bound_inode = os.lstat(self.path).st_ino
        else:
            self._listener = self._given
            self._listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._hall = Hall(self._dispatcher, self._tasks, HangupWatch(self._loop), self._limits)
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Let in who has connected.

        Not by ``create_unix_server``: its connections that are accepted but not made yet are
        nobody's when the loop ends, and were never closed.
        """
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Mostly EMFILE: the listener stays readable, so it is left alone for a while.
                log.error("cannot accept connections: %s", error)
                self._loop.remove_reader(self._listener)
                self._retry = self._loop.call_later(_ACCEPT_RETRY_S, self._accept_again)
                return
            sock.setblocking(False)
            task = self._tasks.create_task(self._admit(sock), name="admit")
            self._admissions.add(task)
            task.add_done_callback(self._admissions.discard)

    def _accept_again(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    async def _admit(self, sock: socket.socket) -> None:
        await self._loop.connect_accepted_socket(lambda: Door(self._hall), sock)

    async def stop(self, grace_s: float) -> None:
        """Stop accepting, end waits and subscriptions, let the rest finish, then hang up.

        What is not done after ``grace_s`` seconds is answered with `ShuttingDown`; a peer that
        does not read its answers for as long again is cut off.
        """
        self._loop.remove_reader(self._listener)
        if self._retry is not None:
            self._retry.cancel()
        self._listener.close()
        self._remove_socket()
        self._hall.is_stopping = True
        if self._admissions:
            await asyncio.wait(set(self._admissions))
        for connection in list(self._hall.connections):
            self._tell(connection.stop)
        in_flight = {task for each in self._hall.connections for task in each.tasks}
        if in_flight:
            await asyncio.wait(in_flight, timeout=grace_s)
        for connection in list(self._hall.connections):
            self._tell(connection.cut)
        await self._hall.empty(grace_s)
        self._hall.hangups.close()

    @staticmethod
    def _tell(ending: Callable[[], None]) -> None:
        """Tell a connection that it ends. Where one fails in that, the others hear of it still."""
        try:
            ending()
        except Exception:
            log.exception("a connection could not be told that the service stops")

    def _remove_socket(self) -> None:
        """Unlink the socket that we have bound, unless the path leads to another one by now."""
        if self._bound_inode is None:
            return
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(self.path).st_ino == self._bound_inode:
                os.unlink(self.path)
