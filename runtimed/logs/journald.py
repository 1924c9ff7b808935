"""systemd's journal, spoken to natively: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/

Our own, and not a library's: it must never wait for a journald that has stopped, and the keeper,
which uses it as well, imports the standard library only.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

from runtimed.logs.entry import Entry, Role, encoded
from runtimed.logs.streams import STDERR, Patience, Stderr

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
#: What the names of our own fields begin with: role, runtime, execution.
_OURS = "RUNTIMED_"
_LENGTH = struct.Struct("<Q")


def is_stderr(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether stderr is the journal: systemd.exec(5), ``$JOURNAL_STREAM``."""
    try:
        found = os.fstat(STDERR)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def encode(fields: Mapping[str, str]) -> bytes:
    """Return one datagram."""
    parts = []
    for name, value in fields.items():
        data = encoded(value)
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + _LENGTH.pack(len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


class Journal:
    """Writes entries with their fields to journald; where it is not there, to stderr."""

    def __init__(self, role: Role, path: str = SOCKET) -> None:
        self._common = {"SYSLOG_IDENTIFIER": role.identifier, f"{_OURS}ROLE": role.value}
        self._path = path
        self._socket: socket.socket | None = None
        self._patience = Patience()
        self._stderr = Stderr(Entry.prefixed)

    def put(self, entry: Entry) -> bool:
        """Write an entry; return False if journald takes nothing now."""
        fields = {"MESSAGE": entry.text, "PRIORITY": str(int(entry.priority)), **self._common}
        if entry.runtime is not None:
            fields[f"{_OURS}RUNTIME"] = entry.runtime
        if entry.execution is not None:
            fields[f"{_OURS}EXECUTION"] = entry.execution
        data = encode(fields)
        for _ in range(2):
            try:
                return self._send(data)
            except OSError:  # it was replaced since we connected, or is not there
                self._hang_up()
        return self._stderr.put(entry)

    def _send(self, data: bytes) -> bool:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect(self._path)
        if not self._patience.is_ready(self._socket.fileno()):
            return False
        try:
            self._socket.send(data)
        except BlockingIOError:
            return False  # there is room, and not for so much
        return True

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def tend(self) -> None:
        """Do nothing: its size is journald's."""
