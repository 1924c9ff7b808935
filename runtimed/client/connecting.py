"""Connect to the daemon's socket, or say in one sentence why not.

Stdlib only, and as little of it as will do: ``runt`` imports this on every call. `_socket` is what
`socket` wraps; the wrapper costs three times as much to import as everything else here.
"""

from __future__ import annotations

import os
import stat
from _socket import AF_UNIX, SOCK_STREAM, socket

from runtimed.paths import UnsafePath, check_private, check_socket_path, socket_path

#: Seconds that a service may take to let us in, and again for its first answer.
PATIENCE_S = 10


class CallFailed(Exception):
    """A call that did not succeed: the error object of the answer, or of a class of the API."""

    def __init__(self, error: dict[str, object]) -> None:
        self.error = error
        self.code = error.get("code")
        self.message = str(error.get("message", "unknown error"))
        data = error.get("data")
        #: The typed data of the error, with its ``name``, ``exit_code`` and ``retryable``.
        self.data: dict[str, object] = data if isinstance(data, dict) else {}
        exit_code = self.data.get("exit_code")
        self.exit_code: int = exit_code if isinstance(exit_code, int) else 70
        super().__init__(self.message)

    @property
    def name(self) -> str:
        """The name of the error's class in `runtimed.api.errors`."""
        return str(self.data.get("name", "ApiError"))


class Nobody(CallFailed):
    """Nobody listens there: a daemon may be started."""


class HungUp(CallFailed):
    """It ended the connection before it had answered: the next one may be on its way."""


def unreachable(path: str, detail: str, kind: type[CallFailed] = CallFailed) -> CallFailed:
    """Return the failure of a daemon that does not answer."""
    from runtimed.api.errors import DaemonUnreachable

    return kind(DaemonUnreachable(socket=path, detail=detail).to_wire())


def not_runtimed(path: str, detail: str) -> CallFailed:
    """Return the failure of something else that answers, or could."""
    from runtimed.api.errors import NotRuntimed

    return CallFailed(NotRuntimed(socket=path, detail=detail).to_wire())


def denied(detail: str) -> CallFailed:
    """Return the failure of a place that is not safely ours."""
    from runtimed.api.errors import Denied

    return CallFailed(Denied(detail=detail).to_wire())


def dial(path: str | None = None) -> socket:
    """Return a connected, blocking socket; the default path is `paths.socket_path`.

    Raises `CallFailed`: ``DaemonUnreachable`` where nobody answers (`Nobody`: nobody listens),
    ``NotRuntimed`` where it is no socket, ``Denied`` where it is not ours (whoever owns it would
    get our code and environment) or no daemon of ours would open one there.
    """
    path = path or socket_path()
    try:
        check_socket_path(path)
        found = os.lstat(path)
    except UnsafePath as error:
        raise denied(str(error)) from None
    except OSError as error:
        raise _nobody(path, error) from None
    if not stat.S_ISSOCK(found.st_mode):
        raise not_runtimed(path, "it is not a socket")
    if found.st_uid != os.geteuid():
        raise denied(f"{path} belongs to uid {found.st_uid}, not to us")
    sock = socket(AF_UNIX, SOCK_STREAM)
    try:
        _connect(sock, path)
    except BlockingIOError:
        sock.close()
        raise no_answer(path) from None
    except OSError as error:
        sock.close()
        raise _nobody(path, error) from None
    return sock


def _connect(sock: socket, path: str) -> None:
    """Connect; where too many have done so before us, wait until one of them is let in.

    Raises `BlockingIOError` if none is in `PATIENCE_S`: somebody listens, and accepts nobody.
    """
    sock.setblocking(False)
    try:
        sock.connect(path)
    except BlockingIOError:
        # select(2) does not tell when there is room again, connect(2) does (unix(7), socket(7)).
        from _socket import SO_SNDTIMEO, SOL_SOCKET
        from struct import pack

        sock.setblocking(True)
        sock.setsockopt(SOL_SOCKET, SO_SNDTIMEO, pack("@ll", PATIENCE_S, 0))
        sock.connect(path)
        sock.setsockopt(SOL_SOCKET, SO_SNDTIMEO, pack("@ll", 0, 0))
    sock.setblocking(True)


def no_answer(path: str) -> CallFailed:
    """Return the failure of one that listens and does not answer."""
    detail = f"no answer in {PATIENCE_S} s; `runt service restart` replaces it, kernels live on"
    return unreachable(path, detail)


def _nobody(path: str, error: OSError) -> CallFailed:
    """Return why nobody answers: where no daemon of ours would open a socket, that."""
    if isinstance(error, PermissionError):
        return denied(f"{path}: {error.strerror}")
    try:
        check_private(os.path.dirname(path))
    except UnsafePath as unsafe:
        return denied(str(unsafe))
    except OSError:
        pass  # The directory is yet to be made.
    if isinstance(error, FileNotFoundError):
        return unreachable(path, "there is no such socket, so it does not run", Nobody)
    return unreachable(path, error.strerror or str(error), Nobody)
