"""Read the configuration file with as much distrust as ssh has of its own."""

from __future__ import annotations

import os
import stat
from typing import Any

from runtimed.config.settings import BadSetting

#: Every setting with its comment takes a few kilobytes; what is larger is some other file.
MAX_BYTES = 1024 * 1024


def read_text(path: str) -> str | None:
    """Return what the file says, less a byte order mark; None if there is no such file.

    Raises `BadSetting` for one that cannot be read, or that somebody else could have written.
    """
    try:
        # Not blocking: a FIFO without a writer would keep us for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}") from None
    try:
        _check(os.fstat(fd), path)
        data = _read(fd)
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    if len(data) > MAX_BYTES:
        raise BadSetting(f"{path} is longer than {MAX_BYTES // 1024} KiB: no configuration")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadSetting(f"{path} is not UTF-8 (at line {line})") from None


def _read(fd: int) -> bytes:
    pieces = []
    left = MAX_BYTES + 1
    while left > 0 and (piece := os.read(fd, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _check(found: os.stat_result, path: str) -> None:
    """Raise `BadSetting` unless it is a file that only we and root can have written.

    As OpenSSH does with ``~/.ssh/config``: readconf.c, ``read_config_file_depth``.
    """
    if stat.S_ISDIR(found.st_mode):
        raise BadSetting(f"{path} is a directory, not a file")
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev:
        return
    if not stat.S_ISREG(found.st_mode):
        raise BadSetting(f"{path} is not a regular file")
    if found.st_uid not in (0, os.geteuid()):
        raise BadSetting(f"{path} belongs to uid {found.st_uid}, neither to us nor to root")
    others = stat.S_IWOTH if _is_private_group(found) else stat.S_IWOTH | stat.S_IWGRP
    if found.st_mode & others:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise BadSetting(f"{path} has mode {mode}: others can write to it (chmod go-w {path})")


def _is_private_group(found: os.stat_result) -> bool:
    """Return whether the file's group is its owner alone.

    Where each user has such a group the umask is 002, and every new file is writable by it.
    """
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    is_theirs = group.gr_gid == owner.pw_gid and group.gr_name == owner.pw_name
    return is_theirs and set(group.gr_mem) <= {owner.pw_name}


def parse(text: str, path: str) -> dict[str, Any]:
    """Return what the text sets. Raises `BadSetting`, with line and column."""
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BadSetting(f"{path} is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "too long a number"
        raise BadSetting(f"{path} is not TOML: {reason}") from None
