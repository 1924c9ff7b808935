"""Connection files made for a test, of kernels that need not exist."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from runtimed.kernels import connection_files

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.kernels.connection_files import ConnectionFile

#: What jupyter_client writes.
COMPLETE: dict[str, Any] = {
    "shell_port": 50001,
    "iopub_port": 50002,
    "stdin_port": 50003,
    "control_port": 50004,
    "hb_port": 50005,
    "ip": "127.0.0.1",
    "key": "secret",
    "transport": "tcp",
    "signature_scheme": "hmac-sha256",
    "kernel_name": "python3",
}


def write(path: Path, mtime_s: int | None = None, **facts: Any) -> str:
    """Write a connection file as jupyter_client does, with these facts in place of others."""
    path.write_text(json.dumps(COMPLETE | facts))
    if mtime_s is not None:
        os.utime(path, (mtime_s, mtime_s))
    return str(path)


def connection_file(path: Path, **facts: Any) -> ConnectionFile:
    """Write one and read it again."""
    found = connection_files.read(write(path, **facts))
    assert found is not None
    return found
