"""Which process a connection file belongs to: named on its command line, and listening there.

Blocking functions of a few milliseconds, for ``asyncio.to_thread``. What they find is checked
again by whoever sends a signal: a pid alone may be another's by then.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from runtimed import host
from runtimed.kernels import connection_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.kernels.connection_files import ConnectionFile

#: ``st`` of a listening socket in /proc/net/tcp (TCP_LISTEN), and its flag in /proc/net/unix.
_TCP_LISTEN = "0A"
_UNIX_LISTEN = 0x10000
#: What whoever has no connection file on its command line must listen at, to be the kernel.
_PROOF = ("shell", "iopub")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one boot, as it was seen. ``session_name`` is what a Jupyter server set."""

    pid: int
    start_time: int
    boot_id: str
    argv: tuple[str, ...]
    cwd: str | None
    ppid: int
    session_name: str | None
    parent_pid: int | None


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody listens at the kernel's address who is not the kernel: it is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Listener:
    """A listening socket's inode, and the user whose it is (unknown for Unix sockets)."""

    inode: int
    uid: int | None


def process(pid: int) -> Process | None:
    """Describe the process that has this pid now, None if there is none."""
    started = host.process_start_time(pid)
    if started is None:
        return None
    environment = host.environment_of(pid) or {}
    parent = environment.get("JPY_PARENT_PID", "")
    found = Process(
        pid=pid,
        start_time=started,
        boot_id=host.boot_id(),
        argv=tuple(map(sayable, host.arguments_of(pid))),
        cwd=sayable(host.working_directory_of(pid)),
        ppid=host.parent_and_session(pid)[0],
        session_name=sayable(environment.get("JPY_SESSION_NAME")),
        parent_pid=int(parent) if parent.isascii() and parent.isdigit() else None,
    )
    return found if host.process_start_time(pid) == started else None


@overload
def sayable(text: str) -> str: ...
@overload
def sayable(text: str | None) -> str | None: ...
def sayable(text: str | None) -> str | None:
    """Return a text that can be encoded: names of files may be any bytes, JSON any surrogates."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def is_named(file: ConnectionFile) -> bool:
    """Say whether a process of ours has the file's name on its command line: it may be booting."""
    return bool(_naming(file, host.pids()))


def find_process(file: ConnectionFile) -> Process | Stranger | None:
    """Return the process that listens as the file says; None where none can be seen.

    A command line alone proves nothing: wrappers, consoles and pagers have the name on theirs.
    """
    if not host.ON_LINUX:
        return _find_by_psutil(file)
    pids = host.pids()
    named = _naming(file, pids)
    listeners = _listeners(file, "shell")
    if not listeners:
        return None
    inodes = {listener.inode for listener in listeners}
    holders = _holders(named, inodes)
    if not holders:
        holders = _holders((pid for pid in pids if pid not in named and _is_ours(pid)), inodes)
        if holders and not descends(_eldest(holders), named):
            if (reason := _why_not(_eldest(holders), file)) is not None:
                return Stranger(reason)
    if holders:
        return process(_eldest(holders))
    for listener in listeners:
        if listener.uid is not None and listener.uid != os.getuid():
            return Stranger(f"its port belongs to a process of uid {listener.uid} now")
    return None


def listens_at(pid: int, place: int | str) -> bool:
    """Say whether a process listens at a TCP port, of any address, or at a Unix socket's path.

    True where that cannot be known, without /proc, and the process lives.
    """
    if host.process_state(pid) in (None, "Z", "X"):
        return False
    if not host.ON_LINUX:
        return True
    if isinstance(place, str):
        listeners = _unix_listeners(place)
    else:
        found = [
            each for table in ("tcp", "tcp6") for each in _tcp_listeners(table, f"{place:04X}")
        ]
        listeners = [listener for _, listener in found]
    return bool(listeners and _holders([pid], {listener.inode for listener in listeners}))


def _naming(file: ConnectionFile, pids: Iterable[int]) -> set[int]:
    name = os.path.basename(file.path)
    return {
        pid
        for pid in pids
        if pid != os.getpid() and any(name in word for word in host.arguments_of(pid))
    }


def _why_not(pid: int, file: ConnectionFile) -> str | None:
    """Say why a process is not the kernel though it has its port; None if it is.

    A kernel embedded in a program is not named on its command line; hardly a program has two of a
    dead kernel's ports by chance, but another kernel may (VS Code counts up from 9000).
    """
    for channel in _PROOF:
        if not _holders([pid], {each.inode for each in _listeners(file, channel)}):
            return f"its shell port belongs to process {pid} now, which is no kernel"
    directory = host.working_directory_of(pid) or "/"
    for word in host.arguments_of(pid):
        if not word.endswith(".json"):
            continue
        other = connection_files.read(os.path.join(directory, word.rpartition("=")[2]))
        if other is not None:
            if other.address == file.address:
                return None
            return f"its ports belong to process {pid} now, the kernel of {other.path}"
    if host.process_state(pid) != "T" and not connection_files.greets(file):
        return f"its ports belong to process {pid} now, which does not speak ZeroMQ"
    return None


def descends(pid: int, ancestors: set[int]) -> bool:
    """Say whether a process is below one of these."""
    seen = set()
    while pid > 1 and pid not in seen:
        if pid in ancestors:
            return True
        seen.add(pid)
        pid = host.parent_and_session(pid)[0]
    return False


def _eldest(pids: Iterable[int]) -> int:
    """Return the process that was there first: a forked child holds its parent's sockets too."""
    return min(pids, key=lambda pid: (host.process_start_time(pid) or float("inf"), pid))


def _is_ours(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return False


def _holders(pids: Iterable[int], inodes: set[int]) -> list[int]:
    """Return which of these processes have one of these sockets open."""
    links = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            directory = f"/proc/{pid}/fd"
            if any(_link(f"{directory}/{fd}") in links for fd in os.listdir(directory)):
                found.append(pid)
    return found


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed meanwhile
        return ""


def _listeners(file: ConnectionFile, channel: str) -> list[_Listener]:
    """Return the listening sockets at a channel's address (proc_pid_net(5))."""
    if file.transport == "ipc":
        return _unix_listeners(file.socket_file(channel))
    port = f"{file.ports[channel]:04X}"
    found = [
        (address, listener)
        for table in ("tcp", "tcp6")
        for address, listener in _tcp_listeners(table, port)
    ]
    called = _hexadecimal(file.host)
    exact = [listener for address, listener in found if address in called]
    return exact or [listener for address, listener in found if not address.strip("0")]


def _tcp_listeners(table: str, port: str) -> list[tuple[str, _Listener]]:
    found = []
    for line in _lines(f"/proc/net/{table}"):
        fields = line.split()
        address, _, number = fields[1].partition(":")
        if fields[3] == _TCP_LISTEN and number == port:
            found.append((address, _Listener(int(fields[9]), int(fields[7]))))
    return found


def _hexadecimal(host_address: str) -> tuple[str, ...]:
    """Return how /proc/net/tcp and tcp6 write an address: words in the machine's byte order."""
    packed = ipaddress.ip_address(host_address).packed
    forms = [packed] if len(packed) == 16 else [packed, b"\0" * 10 + b"\xff\xff" + packed]
    return tuple(
        "".join(
            f"{int.from_bytes(form[i : i + 4], sys.byteorder):08X}" for i in range(0, len(form), 4)
        )
        for form in forms
    )


def _unix_listeners(path: str) -> list[_Listener]:
    found = []
    for line in _lines("/proc/net/unix"):
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7] == path and int(fields[3], 16) & _UNIX_LISTEN:
            found.append(_Listener(int(fields[6]), None))
    return found


def _lines(path: str) -> list[str]:
    """Return the lines of a table of the kernel's, without the first, which is a title."""
    try:
        return os.fsdecode(Path(path).read_bytes()).split("\n")[1:-1]
    except OSError:
        return []


def _find_by_psutil(file: ConnectionFile) -> Process | None:
    """Where there is no /proc: named on the command line, and listening if that may be known."""
    import psutil

    for pid in _naming(file, host.pids()):
        if file.transport == "ipc":
            return process(pid)
        with contextlib.suppress(psutil.Error):
            candidate = psutil.Process(pid)
            list_connections = getattr(candidate, "net_connections", None) or candidate.connections
            ports = {each.laddr.port for each in list_connections("tcp") if each.status == "LISTEN"}
            if file.ports["shell"] in ports:
                return process(pid)
    return None
