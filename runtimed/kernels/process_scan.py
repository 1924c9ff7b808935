"""The processes and listening sockets of one moment, read once for however many files.

To look through all of /proc for each of two hundred connection files takes minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runtimed import host

if TYPE_CHECKING:
    from collections.abc import Iterator

#: ``st`` of a listening socket in /proc/net/tcp (TCP_LISTEN), and its flag in /proc/net/unix.
_TCP_LISTEN = "0A"
_UNIX_LISTEN = 0x10000


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket's inode, and the user whose it is (unknown for Unix sockets)."""

    inode: int
    uid: int | None


class ProcessScan:
    """What was there, of a moment after this was made: each part is read when it is needed."""

    @cached_property
    def command_lines(self) -> dict[int, str]:
        """Those of our processes other than this one, NUL between the words."""
        own = os.getpid()
        return {pid: "\0".join(host.arguments_of(pid)) for pid in host.pids() if pid != own}

    @cached_property
    def tcp_listeners(self) -> dict[int, list[tuple[str, Listener]]]:
        """By port, with the address as the table has it (proc_pid_net(5))."""
        found: dict[int, list[tuple[str, Listener]]] = {}
        for table in ("tcp", "tcp6"):
            for line in _lines(f"/proc/net/{table}"):
                fields = line.split(maxsplit=10)
                if fields[3] == _TCP_LISTEN:
                    address, _, port = fields[1].partition(":")
                    listener = Listener(int(fields[9]), int(fields[7]))
                    found.setdefault(int(port, 16), []).append((address, listener))
        return found

    @cached_property
    def unix_listeners(self) -> dict[str, list[Listener]]:
        """By the name that they are bound to."""
        found: dict[str, list[Listener]] = {}
        for line in _lines("/proc/net/unix"):
            fields = line.split(maxsplit=7)
            if len(fields) == 8 and int(fields[3], 16) & _UNIX_LISTEN:
                found.setdefault(fields[7], []).append(Listener(int(fields[6]), None))
        return found

    @cached_property
    def holders(self) -> dict[str, list[int]]:
        """Our processes that have a socket open, by what its descriptors link to."""
        found: dict[str, list[int]] = {}
        for pid in host.pids():
            if _is_ours(pid):
                for link in set(_links(pid)):
                    if link.startswith("socket:"):
                        found.setdefault(link, []).append(pid)
        return found


class Scans:
    """Scans for many who ask at once: each gets one that was begun after it asked."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._begun = 0
        self._latest = ProcessScan()

    async def next(self) -> ProcessScan:
        asked_at = self._begun
        async with self._one_at_a_time:
            if self._begun == asked_at:
                self._begun += 1
                scan = ProcessScan()
                await asyncio.to_thread(lambda: scan.command_lines)
                self._latest = scan
            return self._latest


def holds(pid: int, inodes: set[int]) -> bool:
    """Say whether a process has one of these sockets open now."""
    return not {link_of(inode) for inode in inodes}.isdisjoint(_links(pid))


def link_of(inode: int) -> str:
    """Return what a socket's descriptors link to in /proc/<pid>/fd."""
    return f"socket:[{inode}]"


def _links(pid: int) -> Iterator[str]:
    directory = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for fd in os.listdir(directory):
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.readlink(f"{directory}/{fd}")


def _is_ours(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return False


def _lines(path: str) -> list[str]:
    """Return the lines of a table of the kernel's, without the first, which is a title."""
    try:
        return os.fsdecode(Path(path).read_bytes()).split("\n")[1:-1]
    except OSError:
        return []
