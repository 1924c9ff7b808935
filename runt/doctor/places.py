"""Directories, and the room that there is for what is written."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from runt.doctor.finding import Finding, some
from runt.outputs import size
from runt.render import home
from runtimed.host import ON_LINUX
from runtimed.paths import UnsafePath, check_private, user_runtime_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runt.doctor.examination import Examination

#: Less than the first stops the record soon; less than the second, of disk and bytes, is worth
#: knowing.
LEAST_FREE_BYTES = 100_000_000
LITTLE_FREE_BYTES = 1_000_000_000
LITTLE_FREE_SHARE = 0.05
LEAST_FREE_FILES = 1_000


def runtime_directory(e: Examination) -> Iterator[Finding]:
    """Look at XDG_RUNTIME_DIR: socket and service manager are there."""
    check = "runtime-directory"
    given = os.environ.get("XDG_RUNTIME_DIR")
    used = user_runtime_dir()
    if given and (fault := _fault(given)):
        yield Finding(
            check,
            "problem",
            f"XDG_RUNTIME_DIR is {given}, which {fault}; the socket is at "
            f"{home(e.instance.socket)} instead, and programs may disagree about that",
            "log in anew (not by `su` or `sudo -u`), or `unset XDG_RUNTIME_DIR`",
        )
    elif used is None:
        text = f"there is no runtime directory here; the socket is at {home(e.instance.socket)}"
        yield Finding(check, "note" if ON_LINUX else "ok", text)
    elif full := _full(used, os.path.dirname(e.instance.socket)):
        yield Finding(
            check,
            "problem",
            f"{full} is full, so no socket can be made there",
            f"remove what fills it (`du -a {full} | sort -n | tail`)",
        )
    else:
        yield Finding(check, "ok", f"{used} is this user's")


def _fault(directory: str) -> str:
    if not os.path.isabs(directory):
        return "is no absolute path"
    try:
        found = os.stat(directory)
    except OSError as error:
        return f"cannot be used: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a directory"
    if found.st_uid != os.getuid():
        return f"belongs to uid {found.st_uid}, not to us"
    return ""


def _full(*directories: str) -> str | None:
    """Return the first of them that has no room left."""
    for directory in filter(os.path.isdir, directories):
        found = os.statvfs(directory)
        # Some file systems do not count files.
        if found.f_bavail == 0 or (found.f_files > 0 and found.f_favail == 0):
            return directory
    return None


def directories(e: Examination) -> Iterator[Finding]:
    """Look at the socket's directory and at those of the state."""
    state = e.instance.state
    for check, path in (
        ("socket-directory", os.path.dirname(e.instance.socket)),
        ("state-directory", state.dir),
        ("state-directory", state.blobs),
        ("state-directory", state.journals),
        ("state-directory", state.kernels),
    ):
        is_main = path not in (state.blobs, state.journals, state.kernels)
        if (finding := _private(check, path)).status != "ok" or is_main:
            yield finding
    yield from _contents(state.dir)


def _private(check: str, path: str) -> Finding:
    try:
        check_private(path)
    except (FileNotFoundError, NotADirectoryError):
        return _to_be_made(check, path)
    except UnsafePath as unsafe:
        found = os.lstat(path)
        can_close = (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.getuid()
            and not found.st_mode & stat.S_ISVTX
        )
        if not can_close:
            return Finding(check, "problem", str(unsafe), "move it away, or choose another path")

        def close() -> str:
            os.chmod(path, 0o700)
            return f"{home(path)} was closed to others (0700)"

        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        text = f"{home(path)} has mode {mode}, so others may look or write into it"
        return Finding(check, "problem", text, f"chmod 700 {path}", repair=close)
    if not os.access(path, os.W_OK | os.X_OK):
        text = f"{home(path)} cannot be written to"
        return Finding(check, "problem", text, f"chmod 700 {path}; is its disk read-only?")
    return Finding(check, "ok", f"{home(path)} is ours, and closed to others")


def _to_be_made(check: str, path: str) -> Finding:
    """Return whether a directory that is not there yet can be made."""
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
        return Finding(check, "ok", f"{home(path)} is not there yet")
    fault = "cannot be written to" if os.path.isdir(above) else "is no directory"
    text = f"{home(path)} cannot be made: {home(above)} {fault}"
    return Finding(check, "problem", text, "set HOME, or RUNTIMED_STATE_DIR, to a place of yours")


def _contents(directory: str) -> Iterator[Finding]:
    """Find what somebody else has made in our directory: root, by ``sudo runt``."""
    try:
        with os.scandir(directory) as entries:
            foreign = sorted(
                entry.name
                for entry in entries
                if entry.stat(follow_symlinks=False).st_uid != os.getuid()
            )
    except OSError:
        return  # said by `_private`
    if foreign:
        yield Finding(
            "state-directory",
            "problem",
            f"{some(foreign)} in {home(directory)} are somebody else's (of `sudo runt`, perhaps)",
            f"sudo chown -R {os.getuid()}:{os.getgid()} {directory}",
            {"names": foreign},
        )


def disk_space(e: Examination) -> Iterator[Finding]:
    """Look at how much room there is for the record."""
    place = e.instance.state_dir
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    usage = shutil.disk_usage(place)
    found = os.statvfs(place)
    files = found.f_favail if found.f_files else None
    yield judge_space(home(e.instance.state_dir), usage.free, usage.total, files)


def judge_space(place: str, free_bytes: int, total_bytes: int, files: int | None) -> Finding:
    """Return what so much room means; ``files`` may be made yet, where that is counted."""
    data = {"free_bytes": free_bytes, "total_bytes": total_bytes, "free_files": files}
    remedy = "free some, or move the state by RUNTIMED_STATE_DIR; `runt status` shows its size"
    text = f"{size(free_bytes)} of {size(total_bytes)} are free at {place}"
    if files is not None and files < LEAST_FREE_FILES:
        few = f"only {files} files more can be made at {place}"
        return Finding("disk-space", "problem", few, remedy, data)
    if free_bytes < LEAST_FREE_BYTES:
        return Finding("disk-space", "problem", f"only {text}", remedy, data)
    if free_bytes < LITTLE_FREE_BYTES and free_bytes < total_bytes * LITTLE_FREE_SHARE:
        return Finding("disk-space", "note", f"only {text}", remedy, data)
    return Finding("disk-space", "ok", text, data=data)
