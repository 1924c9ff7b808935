"""The Unix socket: bind it so that only its owner reaches it, serve it, take it away."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
from typing import TYPE_CHECKING

from runtimed.paths import UnsafePath, check_socket_path, private_dir
from runtimed.server.door import Door
from runtimed.server.hall import Hall, Limits
from runtimed.server.hangup import HangupWatch

if TYPE_CHECKING:
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
    """Serve a dispatcher at a socket path. Its tasks run in the caller's task group."""

    def __init__(
        self,
        path: str,
        dispatcher: Dispatcher,
        tasks: asyncio.TaskGroup,
        limits: Limits | None = None,
    ) -> None:
        self.path = path
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._limits = limits or Limits()
        self._admissions: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Bind and listen; requests are answered from here on. Raises as `bind` does."""
        self._listener = bind(self.path)
        self._inode = os.lstat(self.path).st_ino
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
            connection.stop()
        in_flight = {task for each in self._hall.connections for task in each.tasks}
        if in_flight:
            await asyncio.wait(in_flight, timeout=grace_s)
        for connection in list(self._hall.connections):
            connection.cut()
        await self._hall.empty(grace_s)
        self._hall.hangups.close()

    def _remove_socket(self) -> None:
        """Unlink the socket, unless the path leads to another one by now."""
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(self.path).st_ino == self._inode:
                os.unlink(self.path)
