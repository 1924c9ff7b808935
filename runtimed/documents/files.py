"""Files of notebooks: read whole, written whole, and never over what somebody else has written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, NamedTuple

from runtimed.api.errors import FileChanged, FileMissing, FileUnusable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class FileText(NamedTuple):
    """What a file has, and the SHA-256 of its bytes."""

    text: str
    sha256: str


class FileBytes(NamedTuple):
    """What a file is to have, and the SHA-256 of that."""

    data: bytes
    sha256: str


def read(path: str) -> FileText:
    """Read a file as UTF-8. Raises `FileMissing` or `FileUnusable`."""
    with _usable(path):
        data = _content(path)
        try:
            return FileText(data.decode("utf-8-sig"), _sha256(data))
        except UnicodeDecodeError as error:
            raise FileUnusable(path=path, detail=f"it is not UTF-8: {error}") from None


def _content(path: str) -> bytes:
    # A FIFO would wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "not a file"
            raise FileUnusable(path=path, detail=f"it is {what}")
        with open(fd, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def encoded(path: str, text: str) -> FileBytes:
    """Return a text as the file is to have it: with the line ends that it has, if it is there."""
    data = text.encode("utf-8", errors="backslashreplace")
    with contextlib.suppress(OSError, FileUnusable):
        present = _content(path)
        lines = present.count(b"\n")
        if lines and lines == present.count(b"\r\n"):
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return FileBytes(data, _sha256(data))


def write(
    path: str, content: FileBytes, *, known: Collection[str | None], force: bool = False
) -> None:
    """Replace a file at once.

    ``known`` are the SHA-256 that it had when it was last read or written, if it was. Raises
    `FileChanged` where it has another, and is not what is to be written either, unless forced; or
    `FileUnusable`, for instance where what is there is no file: a device, a FIFO, a link
    (``path`` is to be a real one), or, unless forced, where it may not be written.
    """
    own = {content.sha256, *known} - {None}
    with _usable(path, "its directory does not exist"):
        mode = None
        with contextlib.suppress(FileNotFoundError):
            present = os.lstat(path).st_mode
            if not stat.S_ISREG(present):
                raise FileUnusable(path=path, detail="it is not a file")
            mode = stat.S_IMODE(present)
        if mode is not None and not force:
            if not mode & _WRITABLE or not os.access(path, os.W_OK):
                raise FileUnusable(path=path, detail="it is read-only")
            if _sha256(_content(path)) not in own:
                raise FileChanged(path=path, detail=_why(is_known=len(own) > 1))
        temporary = (
            f"{os.path.dirname(path)}/.{os.path.basename(path)[:200]}.{secrets.token_hex(4)}"
        )
        try:
            _write_new(temporary, content.data, mode)
            if mode is None and not force:
                _link(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def _why(*, is_known: bool) -> str:
    if is_known:
        return "somebody else has written it"
    return "it is there already, and was not opened here"


def _write_new(path: str, data: bytes, mode: int | None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with open(fd, "wb") as file:
        if mode is not None:
            os.fchmod(fd, mode)
        file.write(data)
        file.flush()
        os.fsync(fd)


def _link(temporary: str, path: str) -> None:
    """Give a file its name, which nothing else may have got meanwhile. Raises `FileChanged`."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileChanged(path=path, detail=_why(is_known=False)) from None
    except OSError:  # a file system without hard links
        os.replace(temporary, path)


@contextlib.contextmanager
def _usable(path: str, missing: str | None = None) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        if missing is not None:
            raise FileUnusable(path=path, detail=missing) from None
        raise FileMissing(path=path) from None
    except OSError as error:
        raise FileUnusable(path=path, detail=error.strerror or str(error)) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
