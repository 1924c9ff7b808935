"""Sockets that a service manager has opened for us: systemd's LISTEN_FDS, launchd's by name."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

log = logging.getLogger(__name__)

#: sd_listen_fds(3): the first descriptor that is passed.
_FIRST_FD = 3
#: ESRCH: launchd does not manage us. ENOENT: our plist has no such socket.
_NOT_BY_LAUNCHD = (errno.ESRCH, errno.ENOENT)
#: The key of the socket in the agent's ``Sockets`` (launchd.plist(5)).
LAUNCHD_NAME = "daemon"


def given_listener(environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """Return the listening Unix socket that a service manager has opened, if it has.

    It can be had once. What else was passed is closed. Raises `OSError`.
    """
    sockets = _systemd_sockets(environ)
    if not sockets and sys.platform == "darwin":
        sockets = launchd_sockets(LAUNCHD_NAME)
    given = None
    for sock in sockets:
        if given is None and _is_listening(sock):
            given = sock
        else:
            log.warning("a socket that was passed is none to listen at: %s", sock)
            sock.close()
    return given


def _is_listening(sock: socket.socket) -> bool:
    return sock.family == socket.AF_UNIX and bool(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )


def _systemd_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return what sd_listen_fds(3) does, and unset its variables: children are not meant."""
    count = environ.pop("LISTEN_FDS", "")
    pid = environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = []
    for fd in range(_FIRST_FD, _FIRST_FD + int(count)):
        os.set_inheritable(fd, False)
        sockets.append(socket.socket(fileno=fd))
    return sockets


def launchd_sockets(name: str, library: str | None = None) -> list[socket.socket]:
    """Return the sockets of this name in our agent's plist; none where launchd did not start us.

    launch_activate_socket(3), which gives them out once. Raises `OSError`.
    """
    try:
        activate: Callable[..., int] = ctypes.CDLL(library).launch_activate_socket
    except AttributeError:
        return []
    fds = ctypes.POINTER(ctypes.c_int)()
    count = ctypes.c_size_t()
    # The C types of its arguments are said by the values: a char *, an int **, a size_t *.
    code = activate(ctypes.c_char_p(name.encode()), ctypes.byref(fds), ctypes.byref(count))
    if code in _NOT_BY_LAUNCHD:
        return []
    if code:
        raise OSError(code, f"launchd does not give its socket {name!r}: {os.strerror(code)}")
    try:
        return [socket.socket(fileno=fds[number]) for number in range(count.value)]
    finally:
        ctypes.CDLL(None).free(fds)
