"""One entry of a log, and how it looks as text."""

from __future__ import annotations

import enum
import os
import time
from typing import NamedTuple

#: Of a longer text the beginning and the end are kept: a traceback's last line says most. What is
#: left fits into one datagram (net.core.wmem_default is 208 KiB).
MAX_CHARS = 32_768
_HEAD_CHARS = 24_576
_TAIL_CHARS = 8_192

#: A terminal would act on these, and journalctl shows no text that has them.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"
}


class Role(enum.StrEnum):
    """Which of our processes it is."""

    DAEMON = "daemon"
    KEEPER = "keeper"

    @property
    def identifier(self) -> str:
        """The name by which a log knows the process."""
        return "runtimed" if self is Role.DAEMON else "runtimed-keeper"

    @property
    def process(self) -> str:
        """The name, and which one it is: who takes over writes to the same log."""
        return f"{self.identifier}[{os.getpid()}]"


class Priority(enum.IntEnum):
    """How much an entry matters: syslog(3)'s numbers, which are journald's as well."""

    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


class Entry(NamedTuple):
    """One thing that happened. ``text`` is clean: see `entry`."""

    time_s: float
    priority: Priority
    text: str
    runtime: str | None
    execution: str | None

    def line(self, process: str) -> str:
        """Return it for a file that several processes write to: further lines are indented.

        Ids are whole, as in the journal: what reads the file shows the short ones.
        """
        milliseconds = int(self.time_s * 1000)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
        head = f"{stamp}.{milliseconds % 1000:03d}Z {process} {self.priority.name.lower()}"
        ids = "/".join(id for id in (self.runtime, self.execution) if id is not None)
        said = f"[{ids}] {self.text}" if ids else self.text
        return f"{head}: {said}\n".replace("\n", "\n    ", self.text.count("\n"))

    def prefixed(self) -> str:
        """Return it for a manager that reads ``<N>`` before each line (sd-daemon(3))."""
        mark = f"<{int(self.priority)}>"
        return f"{mark}{self._said()}".replace("\n", f"\n{mark}") + "\n"

    def _said(self) -> str:
        """Return the text, after the short ids of what it is about."""
        ids = "/".join(id[-8:].lower() for id in (self.runtime, self.execution) if id is not None)
        return f"[{ids}] {self.text}" if ids else self.text


def entry(
    priority: Priority, text: str, runtime: str | None = None, execution: str | None = None
) -> Entry:
    """Return what happened just now. The text may have come from anywhere."""
    text = text.strip("\n")
    if len(text) > MAX_CHARS:
        left_out = len(text) - _HEAD_CHARS - _TAIL_CHARS
        text = f"{text[:_HEAD_CHARS]}\n[{left_out} characters are left out]\n{text[-_TAIL_CHARS:]}"
    return Entry(time.time(), priority, text.translate(_CONTROLS), runtime, execution)


def encoded(text: str) -> bytes:
    """Return the bytes of any text: what is not Unicode, as a surrogate is not, is spelt out."""
    return text.encode("utf-8", "backslashreplace")
