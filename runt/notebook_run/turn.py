"""One client at a time finds out about a run into a file, and begins it or ends it."""

from __future__ import annotations

import fcntl
import hashlib
import os

from runtimed import paths

#: Beside the daemon's socket. A byte of it stands for an output file; it stays empty.
_FILE = "notebook-run.lock"
_BYTES = 2**48


class Turn:
    """A lock on a path, for as long as `release` is not called and the process lives."""

    def __init__(self, path: str) -> None:
        file = os.path.join(os.path.dirname(paths.socket_path()), _FILE)
        digest = hashlib.sha256(os.fsencode(path)).digest()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd: int | None = os.open(file, flags, 0o600)
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, int.from_bytes(digest[:8], "big") % _BYTES)

    def release(self) -> None:
        """Let the next one have it; once is as good as twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
