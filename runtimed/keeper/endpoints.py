"""Where a kernel listens: its connection file, and private names for its ipc sockets.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtimed.paths import SOCKET_PATH_BYTES, make_dirs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.keeper.loop import Loop, Timer

CHANNELS = ("shell", "iopub", "stdin", "control")
PRIVATE_DIRECTORY = ".keep"

#: What a Unix socket says; over TCP the connection waits without a word.
_BACKLOG_FULL = errno.errorcode[errno.EAGAIN]
_FIRST_RETRY_S = 0.005
_LAST_RETRY_S = 0.05


class UnusableConnectionFile(ValueError):
    """The connection file is missing, or does not say where the kernel listens."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of one kernel, and the CurveZMQ keys where it has them.

    The socket files of a kernel that we did not launch are its owner's affair.
    """

    transport: str
    ip: str
    ports: dict[str, int]
    curve: tuple[bytes, bytes] | None = None
    launched: bool = False

    @classmethod
    def load(cls, path: str, *, launched: bool = False, ip: str | None = None) -> Endpoints:
        """Read a connection file; raises `UnusableConnectionFile`.

        ``ip`` stands for a path that is relative, to where its kernel was when it began to listen.
        """
        try:
            content: dict[str, Any] = json.loads(Path(path).read_bytes())
            transport = content.get("transport", "tcp")
            if transport not in ("tcp", "ipc"):
                raise UnusableConnectionFile(f"transport {transport!r} in {path}")
            named = str(content.get("ip") or "127.0.0.1")
            if transport == "ipc" and not os.path.isabs(named):
                if ip is None or not os.path.isabs(ip):
                    raise UnusableConnectionFile(f"a relative path in {path}")
                named = ip
            public, secret = content.get("curve_publickey"), content.get("curve_secretkey")
            return cls(
                transport,
                named,
                {name: int(content[f"{name}_port"]) for name in (*CHANNELS, "hb")},
                (public.encode(), secret.encode()) if public and secret else None,
                launched,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnusableConnectionFile(f"{path}: {error!r}") from error

    def address(self, channel: str) -> str:
        """Return the ZeroMQ address to connect to: the private name where there is one."""
        if self.transport == "ipc":
            return "ipc://" + self._socket_file(channel)
        host = f"[{self._host()}]" if ":" in self._host() else self._host()
        return f"tcp://{host}:{self.ports[channel]}"

    def facts(self) -> dict[str, Any]:
        """Return what may be written down: everything but the keys."""
        has_curve = self.curve is not None
        return {"transport": self.transport, "ip": self.ip, "ports": self.ports, "curve": has_curve}

    @classmethod
    def of(cls, facts: dict[str, Any], *, launched: bool = False) -> Endpoints:
        """Return what `facts` told; raises `UnusableConnectionFile` where that is not enough."""
        if not facts or facts["curve"]:
            raise UnusableConnectionFile("the connection file is gone")
        ports = dict(facts["ports"])
        return cls(facts["transport"], facts["ip"], ports, launched=launched)

    @property
    def is_ipv6(self) -> bool:
        return self.transport == "tcp" and ":" in self.ip

    def _host(self) -> str:
        """Return whom to call: a kernel that listens everywhere also listens on localhost."""
        if self.ip in ("*", "0.0.0.0"):  # noqa: S104
            return "127.0.0.1"
        return "::1" if self.ip == "::" else self.ip

    def _public_file(self, channel: str) -> str:
        return f"{self.ip}-{self.ports[channel]}"

    def _private_file(self, channel: str) -> str:
        directory, name = os.path.split(self._public_file(channel))
        return os.path.join(directory, PRIVATE_DIRECTORY, name)

    def _socket_file(self, channel: str) -> str:
        """Return the private name if it is (still) the kernel's, else the public one.

        A public file of another inode was bound anew, by another process. If nobody listens at
        what we kept, that was the dead one's; else somebody took the name of a living kernel.
        """
        public, private = self._public_file(channel), self._private_file(channel)
        kept, found = _inode(private), _inode(public)
        if kept is None or (found not in (None, kept) and _is_abandoned(private)):
            return public
        return private

    def keep(self) -> None:
        """Hard-link each ipc socket file under a private name.

        Another client's clean-up deletes the files it finds (jupyter_client does, of any kernel
        that used the same prefix); the kernel goes on listening, and nobody could reach it again.
        """
        if self.transport != "ipc" or not self.launched:
            return
        for channel in self.ports:
            public, private = self._public_file(channel), self._private_file(channel)
            if len(os.fsencode(private)) > SOCKET_PATH_BYTES or _inode(public) is None:
                continue
            if _inode(private) == _inode(public):
                continue
            if _inode(private) is not None and not _is_abandoned(private):
                continue  # the public one is somebody else's: `restore` takes the name back
            # Without the private name there is less protection and nothing else amiss.
            with contextlib.suppress(OSError):
                make_dirs(os.path.dirname(private))
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(private)
                os.link(public, private)

    def restore(self) -> list[str]:
        """Link public socket files back that are missing or taken; return the channels of those.

        A Jupyter server that is told to restart a kernel which is not its own deletes the socket
        files and starts another at their names: libzmq binds over whatever it finds.
        """
        restored = []
        if self.transport == "ipc" and self.launched:
            for channel in self.ports:
                public, private = self._public_file(channel), self._private_file(channel)
                kept, found = _inode(private), _inode(public)
                if kept is None or found == kept or (found is not None and _is_abandoned(private)):
                    continue
                with contextlib.suppress(OSError):
                    spare = f"{private}.back"
                    os.link(private, spare)
                    os.replace(spare, public)
                    restored.append(channel)
        return restored

    def discard(self) -> None:
        """Remove the socket files of a kernel that has gone: the private names and their like.

        One that it bound after we had connected has no private name; nobody answers at it. Of a
        kernel that we adopted only a private name is ours, from when it was a launched one.
        """
        if self.transport != "ipc":
            return
        for channel in self.ports:
            public, private = self._public_file(channel), self._private_file(channel)
            if not self.launched:
                if _is_abandoned(private):
                    with contextlib.suppress(OSError):
                        os.unlink(private)
                continue
            kept = _inode(private)
            if kept == _inode(public) if kept is not None else _is_abandoned(public):
                with contextlib.suppress(OSError):
                    os.unlink(public)
            with contextlib.suppress(OSError):
                os.unlink(private)

    def raw_socket(self, channel: str) -> tuple[socket.socket, str | tuple[str, int]]:
        """Return an unconnected, non-blocking socket of the right family, and its address."""
        address: str | tuple[str, int]
        if self.transport == "ipc":
            family, address = socket.AF_UNIX, self._socket_file(channel)
        else:
            host = self._host()
            try:
                family = (
                    socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
                )
            except ValueError:  # a host name
                family = socket.AF_INET
            address = (host, self.ports[channel])
        raw = socket.socket(family, socket.SOCK_STREAM)
        raw.setblocking(False)
        return raw, address


def _self_connected(raw: socket.socket) -> int:
    """Return an error if TCP met itself: a free port that was also chosen as the source."""
    if raw.family == socket.AF_UNIX:
        return 0
    return errno.ECONNREFUSED if raw.getsockname() == raw.getpeername() else 0


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Knock:
    """Find out by raw connections whether the channels accept, before ZeroMQ is let near them.

    A ZeroMQ socket that is refused retries by itself, at an interval that holds for its whole
    life; ours must never reconnect, so they begin only where somebody listens. While a kernel
    starts there is no event to wait for: with ``persistent`` it is tried every few milliseconds.
    """

    def __init__(
        self,
        loop: Loop,
        endpoints: Endpoints,
        channels: Sequence[str],
        done: Callable[[str | None], None],
        persistent: bool,
    ) -> None:
        self._loop = loop
        self._endpoints = endpoints
        self._waiting = list(channels)
        self._done = done
        self._persistent = persistent
        self._retry_s = _FIRST_RETRY_S
        self._raw: socket.socket | None = None
        self._timer: Timer | None = loop.later(0, self._try)

    def cancel(self) -> None:
        """Stop trying; ``done`` is not called any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._close()

    def _close(self) -> None:
        if self._raw is not None:
            self._loop.unwatch(self._raw.fileno())
            self._raw.close()
            self._raw = None

    def _try(self) -> None:
        self._timer = None
        while self._waiting:
            try:
                self._raw, address = self._endpoints.raw_socket(self._waiting[0])
                code = self._raw.connect_ex(address)
            except OSError as error:  # a host name that does not resolve, a path too long
                self._close()
                self._refused(str(error))
                return
            if code == errno.EINPROGRESS:
                self._loop.watch(self._raw.fileno(), self._decided, events=2)
                return
            code = code or _self_connected(self._raw)
            self._close()
            if code != 0:
                self._refused(errno.errorcode.get(code, str(code)))
                return
            del self._waiting[0]
        self._done(None)

    def _decided(self) -> None:
        if self._raw is None:
            return
        code = self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        code = code or _self_connected(self._raw)
        self._close()
        if code != 0:
            self._refused(errno.errorcode.get(code, str(code)))
            return
        del self._waiting[0]
        self._try()

    def _refused(self, reason: str) -> None:
        # A stopped kernel accepts nothing from its backlog: once that is full, it is still there.
        if not self._persistent and reason != _BACKLOG_FULL:
            self._done(reason)
            return
        self._timer = self._loop.later(self._retry_s, self._try)
        self._retry_s = min(self._retry_s * 1.5, _LAST_RETRY_S)


def _is_abandoned(path: str) -> bool:
    """Say whether there is a socket file at which nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            return probe.connect_ex(path) == errno.ECONNREFUSED
        except OSError:  # too long for an address
            return False
