"""Read files that others have written: only regular ones, and only as much as they should have.

To open a FIFO waits for who writes it, and a file may be larger than memory.
"""

from __future__ import annotations

import errno
import os
import stat

#: No file of settings that we look at is larger; what is behind it is not read.
MOST_BYTES = 64 * 1024


def read_plain(path: str, most_bytes: int = MOST_BYTES) -> bytes:
    """Return how a regular file begins. Raises `OSError`, for what is no regular file too."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), path) from error
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        return file.read(most_bytes)


def lines_of(path: str) -> list[str]:
    """Return the lines of a regular file, stripped; none where it cannot be read.

    Of a file that is too large, those that are whole; never one that is no text, or has a NUL.
    """
    try:
        data = read_plain(path)
        if len(data) == MOST_BYTES:
            data = data[: data.rfind(b"\n") + 1]
        lines = data.decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    # One that is no text is no reason to drop the others.
    return [line.strip() for line in lines if "\0" not in line and "\ufffd" not in line]
