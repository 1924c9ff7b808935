"""Which process a connection file belongs to: named on its command line, and listening there.

Blocking functions of a few milliseconds, for ``asyncio.to_thread``. What they find is checked
again by whoever sends a signal: a pid alone may be another's by then.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

from runtimed import host
from runtimed.kernels import connection_files
from runtimed.kernels.process_scan import ProcessScan, holds, link_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.kernels.connection_files import ConnectionFile
    from runtimed.kernels.process_scan import Listener

#: Only Linux has it.
_PEERCRED = getattr(socket, "SO_PEERCRED", 0)
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


def is_named(file: ConnectionFile, scan: ProcessScan | None = None) -> bool:
    """Say whether a process of ours has the file's name on its command line: it may be booting."""
    return bool(_naming(file, scan or ProcessScan()))


def located(file: ConnectionFile, scan: ProcessScan | None = None) -> ConnectionFile:
    """Return the file with the directory to which its sockets' path is relative, if that is known.

    That is where its process was when it began to listen: it may have gone elsewhere since.
    """
    if not file.is_lost:
        return file
    for pid in _naming(file, scan or ProcessScan()):
        started_in = (host.environment_of(pid) or {}).get("PWD")
        for directory in (host.working_directory_of(pid), started_in):
            if directory is not None and os.path.isabs(directory):
                found = replace(file, directory=directory)
                if _is_bound_by(found.socket_file("shell"), pid):
                    return found
    return file


def may_listen(file: ConnectionFile) -> bool:
    """Say whether somebody is bound to a relative path like the file's, of a kernel or another."""
    return file.is_lost and (not host.ON_LINUX or bool(_listeners(file, "shell", ProcessScan())))


def _is_bound_by(path: str, pid: int) -> bool:
    """Say whether it is this process that listens at a Unix socket's path (unix(7): SO_PEERCRED).

    Where that cannot be known, whether somebody does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.setblocking(False)
        try:
            raw.connect(path)
        except BlockingIOError:  # its backlog is full: it is stopped
            return True
        except OSError:
            return False
        if not host.ON_LINUX:
            return True
        (listener,) = struct.unpack_from("i", raw.getsockopt(socket.SOL_SOCKET, _PEERCRED, 12))
        return bool(listener == pid)


def find_process(
    file: ConnectionFile, scan: ProcessScan | None = None
) -> Process | Stranger | None:
    """Return the process that listens as the file says; None where none can be seen.

    A command line alone proves nothing: wrappers, consoles and pagers have the name on theirs.
    ``scan`` was begun after the kernel was seen to listen.
    """
    scan = scan or ProcessScan()
    if not host.ON_LINUX:
        return _find_by_psutil(file, scan)
    listeners = _listeners(file, "shell", scan)
    if not listeners:
        return None
    named = _naming(file, scan)
    inodes = {listener.inode for listener in listeners}
    holders = [pid for pid in named if holds(pid, inodes)]
    if not holders:
        holders = [pid for inode in inodes for pid in scan.holders.get(link_of(inode), ())]
        if holders and not descends(_eldest(holders), named):
            if (reason := _why_not(_eldest(holders), file, scan)) is not None:
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
    scan = ProcessScan()
    if isinstance(place, str):
        listeners = scan.unix_listeners.get(place, [])
    else:
        listeners = [listener for _, listener in scan.tcp_listeners.get(place, ())]
    return bool(listeners) and holds(pid, {listener.inode for listener in listeners})


def _naming(file: ConnectionFile, scan: ProcessScan) -> set[int]:
    name = os.path.basename(file.path)
    return {pid for pid, command_line in scan.command_lines.items() if name in command_line}


def _why_not(pid: int, file: ConnectionFile, scan: ProcessScan) -> str | None:
    """Say why a process is not the kernel though it has its port; None if it is.

    A kernel embedded in a program is not named on its command line; hardly a program has two of a
    dead kernel's ports by chance, but another kernel may (VS Code counts up from 9000).
    """
    for channel in _PROOF:
        if not holds(pid, {each.inode for each in _listeners(file, channel, scan)}):
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


def _listeners(file: ConnectionFile, channel: str, scan: ProcessScan) -> list[Listener]:
    """Return the listening sockets at a channel's address."""
    if file.transport == "ipc":
        return scan.unix_listeners.get(file.bound_name(channel), [])
    found = scan.tcp_listeners.get(file.ports[channel], [])
    called = _hexadecimal(file.host)
    exact = [listener for address, listener in found if address in called]
    return exact or [listener for address, listener in found if not address.strip("0")]


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


def _find_by_psutil(file: ConnectionFile, scan: ProcessScan) -> Process | None:
    """Where there is no /proc: named on the command line, and listening if that may be known."""
    import psutil

    for pid in _naming(file, scan):
        if file.transport == "ipc":
            return process(pid)
        with contextlib.suppress(psutil.Error):
            candidate = psutil.Process(pid)
            list_connections = getattr(candidate, "net_connections", None) or candidate.connections
            ports = {each.laddr.port for each in list_connections("tcp") if each.status == "LISTEN"}
            if file.ports["shell"] in ports:
                return process(pid)
    return None
