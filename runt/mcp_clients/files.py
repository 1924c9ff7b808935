"""A client's file, changed as a whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from runt.failures import ConflictFailure, DeniedFailure, Failure
from runt.mcp_clients.jsonc import Malformed
from runtimed.paths import make_dirs

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the file was before, beside it.
BACKUP = ".before-runt"
#: A client may write its file at any time: then ours is an edit of what is there now.
_ATTEMPTS = 5


def change(path: str, edit: Callable[[str], str]) -> str | None:
    """Edit the file, which is made if need be; return where its backup is, if it needed one.

    Through a symbolic link its target is changed. Where the edit changes nothing, nothing is
    written. Raises `Failure`.
    """
    real = os.path.realpath(path)
    try:
        for _ in range(_ATTEMPTS):
            before = _read(real)
            try:
                after = edit(before or "")
            except Malformed as error:
                raise ConflictFailure(f"{path}: {error}; nothing was changed") from None
            if after == before:
                return None
            backup = None if before is None else real + BACKUP
            if backup is not None:
                _write(backup, before or "", _mode(real))
            ours = f"{real}.{os.getpid()}"
            try:
                _write(ours, after, _mode(real))
                if _read(real) == before:
                    os.replace(ours, real)
                    return backup
            finally:
                if os.path.lexists(ours):
                    os.unlink(ours)
    except PermissionError as error:
        raise DeniedFailure(f"{error.filename or path}: {error.strerror}") from None
    except OSError as error:
        raise Failure(f"{error.filename or path}: {error.strerror}") from None
    raise ConflictFailure(f"{path} is being written all the time; try again")


def read(path: str) -> str:
    """Return what is in the file, nothing where there is none. Raises `Failure`."""
    try:
        return _read(os.path.realpath(path)) or ""
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConflictFailure(f"{path} is not UTF-8; nothing was changed") from None


def _mode(path: str) -> int:
    """Return the mode that the file has, or gets: there may be keys of other servers in it."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return 0o600


def _write(path: str, text: str, mode: int) -> None:
    make_dirs(os.path.dirname(path))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8", newline="") as file:
        os.fchmod(fd, mode)
        file.write(text)
        file.flush()
        os.fsync(fd)
