"""The bearer token, in a file that only its owner can read.

It is in no argument and no environment variable: both can be read in the process table.
"""

from __future__ import annotations

import os
import re
import secrets
import stat

from runtimed.paths import UnsafePath

#: What may stand behind "Bearer" (RFC 6750 §2.1).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LEAST_CHARS = 16
_RANDOM_BYTES = 32
_MOST_BYTES = 4096


class UnusableToken(ValueError):
    """A file holds no token, or one that is guessed easily."""


def load(path: str) -> str:
    """Return the token in the file, which is made with a new one where there is none.

    Raises `UnsafePath` where others may know or change it, `UnusableToken`, or `OSError`.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        try:
            _create(path)
        except OSError as error:  # it names the file that was to become this one
            raise OSError(error.errno, error.strerror, path) from None
        return _read(path)


def _create(path: str) -> None:
    """Write a new token, unless somebody else just has: a half-written one is never seen."""
    ours = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
    fd = os.open(ours, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_RANDOM_BYTES) + "\n")
        try:
            os.link(ours, path)
        except FileExistsError:
            pass
    finally:
        os.unlink(ours)


def _read(path: str) -> str:
    # A FIFO would hold us up; a link may lead to what somebody else can change.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path, flags)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise UnsafePath(f"{path} is not a file")
    with open(fd, "rb") as file:
        if found.st_uid != os.geteuid():
            raise UnsafePath(f"{path} belongs to uid {found.st_uid}, not to us")
        if found.st_mode & 0o077:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            raise UnsafePath(f"{path} has mode {mode}; it must be 0600 (others may know its token)")
        text = file.read(_MOST_BYTES + 1)
    token = text.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token) or len(text) > _MOST_BYTES:
        raise UnusableToken(f"{path} holds no bearer token: letters, digits and -._~+/ in one word")
    if len(token) < _LEAST_CHARS:
        raise UnusableToken(f"the token in {path} has less than {_LEAST_CHARS} characters")
    return token
