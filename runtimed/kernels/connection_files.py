"""Connection files that others wrote: read with distrust, found in directories, knocked at.

They are not written atomically, outlive their kernels, and lie beside files of other programs.
https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import os
import socket
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtimed.kernels.launch import CHANNELS
from runtimed.paths import SOCKET_PATH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

MAX_BYTES = 1024 * 1024
#: Why a file is rejected that may be another one soon.
NOT_WHOLE = "it is no JSON, or not whole"
KNOCK_S = 1.0
GREETING_S = 2.0
#: Files in Jupyter's runtime directories that are no kernel's.
_NOT_KERNELS = ("jpserver-", "nbserver-", ".")
_EVERYWHERE = {"": "127.0.0.1", "*": "127.0.0.1", "localhost": "127.0.0.1"}
_NOBODY_THERE = (errno.ECONNREFUSED, errno.ENOENT, errno.ENOTDIR)


class Rejected(ValueError):
    """Why a file is no connection file, or not one to adopt: nothing of its content but this."""


@dataclass(frozen=True, slots=True)
class ConnectionFile:
    """A connection file that names a kernel of this machine, whether or not it lives.

    ``info`` is the whole JSON object; ``ip`` may be "*" or, for ipc, a path's beginning. One that
    is relative is so to ``directory``, which only the kernel's process can tell: see
    `runtimed.kernels.identity.located`.
    """

    path: str
    info: dict[str, Any] = field(repr=False)  # it has the keys
    transport: str
    ip: str
    ports: dict[str, int]
    key: str = field(repr=False)
    kernel_name: str
    mtime_ns: int
    size: int
    is_curve: bool
    directory: str | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it names sockets by a path that is relative to nobody knows what."""
        is_relative = self.transport == "ipc" and not os.path.isabs(self.ip)
        return is_relative and self.directory is None

    @property
    def address(self) -> Hashable:
        """What two files of one kernel have in common."""
        return _address(self.transport, self.ip, self.ports["shell"], self.key)

    @property
    def host(self) -> str:
        """The numeric address to call over tcp: who listens everywhere listens on loopback."""
        return _host(self.ip)

    def bound_name(self, channel: str) -> str:
        """Return the name to which a channel's Unix socket is bound, where the transport is ipc."""
        return f"{self.ip}-{self.ports[channel]}"

    def socket_file(self, channel: str) -> str:
        """Return the path of a channel's Unix socket."""
        return os.path.join(self.directory or "", self.bound_name(channel))


def address_of(info: dict[str, Any]) -> Hashable:
    """Return the `ConnectionFile.address` of a connection file's content, None of anything else."""
    try:
        parsed = _parse(info)
    except Rejected:
        return None
    return _address(parsed["transport"], parsed["ip"], parsed["ports"]["shell"], parsed["key"])


def kernel_id(path: str) -> str:
    """Return what a Jupyter server calls the kernel: the file's stem, less ``kernel-``."""
    return os.path.splitext(os.path.basename(path))[0].removeprefix("kernel-")


def read(path: str) -> ConnectionFile | None:
    """Read a connection file; None where it is none, or not one of ours to adopt.

    That is: half-written, not a kernel's, larger than a connection file can be, another user's,
    or of a kernel on another machine. Whatever lies there, this neither raises nor waits.
    """
    try:
        return examine(path)
    except Rejected:
        return None


def examine(path: str) -> ConnectionFile:
    """Read a connection file as `read` does; raises `Rejected`."""
    content, status = _content(path)
    try:
        info = json.loads(content.decode("utf-8"))
        if b"\\u" in content:  # a lone surrogate could be encoded nowhere
            info = json.loads(json.dumps(info, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Rejected(NOT_WHOLE) from None
    parsed = _parse(info)
    if not _is_reachable(parsed["transport"], parsed["ip"]):
        raise Rejected("its kernel is not on this machine")
    return ConnectionFile(
        path=path, info=info, mtime_ns=status.st_mtime_ns, size=status.st_size, **parsed
    )


def content_of(path: str) -> bytes | None:
    """Return what a regular file of ours holds, None where there is none that can be read."""
    try:
        return _content(path)[0]
    except Rejected:
        return None


def _content(path: str) -> tuple[bytes, os.stat_result]:
    """Return the same, and the file's status. Raises `Rejected`."""
    try:
        # A FIFO's reader would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise Rejected(f"it cannot be opened: {error.strerror}") from error
    except ValueError as error:
        raise Rejected("it has no name that a file can have") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Rejected("it is no regular file")
        if status.st_uid != os.getuid():
            raise Rejected(f"it belongs to uid {status.st_uid}")
        if status.st_size == 0:
            raise Rejected(NOT_WHOLE)
        if status.st_size > MAX_BYTES:
            raise Rejected(f"it has {status.st_size} bytes")
        return os.read(fd, MAX_BYTES), status
    except OSError as error:
        raise Rejected(f"it cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)


def _parse(info: object) -> dict[str, Any]:
    """Return the fields of a connection file's content. Raises `Rejected` for what they are not."""
    if not isinstance(info, dict):
        raise Rejected("it is no JSON object")
    ports = {channel: info.get(f"{channel}_port") for channel in CHANNELS}
    texts = {
        "transport": info.get("transport", "tcp"),
        "ip": info.get("ip", ""),
        "key": info.get("key", ""),
        "kernel_name": info.get("kernel_name") or "",
        "curve_publickey": info.get("curve_publickey") or "",
        "curve_secretkey": info.get("curve_secretkey") or "",
        "signature_scheme": info.get("signature_scheme", "hmac-sha256"),
    }
    for channel, port in ports.items():
        if type(port) is not int or not 0 < port < 65536:
            raise Rejected(f"its {channel}_port is none")
    for name, text in texts.items():
        if not _is_text(text):
            raise Rejected(f"its {name} is no text")
    if texts["transport"] == "ipc":
        longest = len(os.fsencode(texts["ip"])) + 1 + max(len(str(port)) for port in ports.values())
        if not texts["ip"] or longest > SOCKET_PATH_BYTES:
            raise Rejected("no path for a socket")
    elif texts["transport"] != "tcp":
        raise Rejected("its transport is neither tcp nor ipc")
    return {
        "transport": texts["transport"],
        "ip": texts["ip"],
        "ports": ports,
        "key": texts["key"],
        "kernel_name": texts["kernel_name"],
        "is_curve": bool(texts["curve_publickey"] and texts["curve_secretkey"]),
    }


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _address(transport: str, ip: str, shell_port: int, key: str) -> Hashable:
    where = os.path.normpath(ip) if transport == "ipc" else _host(ip)
    return transport, where, shell_port, key


def _host(ip: str) -> str:
    try:
        address = ipaddress.ip_address(_EVERYWHERE.get(ip, ip))
    except ValueError:
        return ip
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)


def _is_reachable(transport: str, ip: str) -> bool:
    """Say whether the address is one of this machine; a name other than localhost is not."""
    if transport == "ipc":
        return True
    try:
        address = ipaddress.ip_address(_host(ip))
    except ValueError:
        return False
    if address.is_loopback:
        return True
    try:
        with socket.socket(_family(address.version), socket.SOCK_DGRAM) as own:
            own.bind((str(address), 0))
    except OSError:
        return False
    return True


def _family(version: int) -> socket.AddressFamily:
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def scan(
    directories: Iterable[str], reject: Callable[[str, str], None] = lambda path, reason: None
) -> dict[str, ConnectionFile]:
    """Return the connection files in these directories, by path; of one kernel only the oldest.

    ``reject`` is told of what is none, and why.
    """
    found: dict[Hashable, ConnectionFile] = {}
    for path in _candidates(directories):
        try:
            file = examine(path)
        except Rejected as rejected:
            reject(path, str(rejected))
            continue
        other = found.get(file.address)
        if other is None or (file.mtime_ns, file.path) < (other.mtime_ns, other.path):
            found[file.address] = file
    return {file.path: file for file in found.values()}


def _candidates(directories: Iterable[str]) -> list[str]:
    paths: list[str] = []
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        paths += [
            os.path.join(directory, name)
            for name in names
            if name.endswith(".json") and not name.startswith(_NOT_KERNELS)
        ]
    return paths


async def listens(file: ConnectionFile) -> bool | None:
    """Find out whether anybody accepts connections at the shell's address. Sends nothing.

    True proves no more than a listening socket: the kernel may be stopped, or another's program
    have its port by now. False: refused. None: undecided within a second.
    """
    if file.is_lost:
        return False
    family, address = _target(file)
    try:
        raw = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    with raw:
        raw.setblocking(False)
        try:
            code = raw.connect_ex(address)
        except OSError:
            return None
        if code == errno.EAGAIN:  # unix(7): it listens, and its backlog is full
            return True
        if code == errno.EINPROGRESS:
            code = await _outcome(raw)
        if code == 0:
            return not _met_itself(raw)
        return False if code in _NOBODY_THERE else None


def greets(file: ConnectionFile) -> bool:
    """Say whether who listens at the shell's address says what ZeroMQ says first. Blocks.

    It comes at once, from a thread of its own, however busy a kernel is; a stopped one is silent.
    https://rfc.zeromq.org/spec/23/ (greeting: the signature)
    """
    family, address = _target(file)
    signature = b""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as raw:
            raw.settimeout(GREETING_S)
            raw.connect(address)
            while len(signature) < 10 and (received := raw.recv(10 - len(signature))):
                signature += received
    except OSError:
        return False
    return len(signature) == 10 and signature[0] == 0xFF and signature[9] == 0x7F


def _target(file: ConnectionFile) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    if file.transport == "ipc":
        return socket.AF_UNIX, file.socket_file("shell")
    return _family(6 if ":" in file.host else 4), (file.host, file.ports["shell"])


async def _outcome(raw: socket.socket) -> int:
    """Wait for a connection that is under way; return its error, ETIMEDOUT after `KNOCK_S`."""
    loop = asyncio.get_running_loop()
    is_decided = asyncio.Event()
    loop.add_writer(raw, is_decided.set)
    try:
        async with asyncio.timeout(KNOCK_S):
            await is_decided.wait()
    except TimeoutError:
        return errno.ETIMEDOUT
    finally:
        loop.remove_writer(raw)
    return raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _met_itself(raw: socket.socket) -> bool:
    """Say whether TCP met itself: a free port that was also chosen as the source."""
    if raw.family == socket.AF_UNIX:
        return False
    try:
        return bool(raw.getsockname() == raw.getpeername())
    except OSError:  # accepted, and closed at once
        return False
