"""Say on stderr what happened, one line an event, without secrets."""

from __future__ import annotations

import contextlib
import os
import time


def log(text: str) -> None:
    """Write one line to stderr, past any buffer; a full or closed stderr stops nobody."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
    with contextlib.suppress(OSError):
        os.write(2, f"{stamp} keeper[{os.getpid()}] {text}\n".encode("utf-8", "backslashreplace"))
