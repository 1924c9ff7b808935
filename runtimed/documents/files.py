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
    from collections.abc import Iterator


class FileText(NamedTuple):
    """What a file has, and the SHA-256 of its bytes."""

    text: str
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
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileUnusable(path=path, detail="it is not a file")
        return file.read()


def write(path: str, text: str, *, known: str | None, force: bool = False) -> str:
    """Replace a file at once, and return the SHA-256 of what it has now.

    ``known`` is the one that it had when it was last read or written, None where it was not.
    Raises `FileChanged` where it has another, unless forced; or `FileUnusable`, for instance
    where what is there is no file: a device, a FIFO, a link (``path`` is to be a real one).
    """
    data = text.encode("utf-8", errors="backslashreplace")
    with _usable(path, "its directory does not exist"):
        mode = None
        with contextlib.suppress(FileNotFoundError):
            present = os.lstat(path).st_mode
            if not stat.S_ISREG(present):
                raise FileUnusable(path=path, detail="it is not a file")
            mode = stat.S_IMODE(present)
        if mode is not None and not force and _sha256(_content(path)) != known:
            raise FileChanged(path=path, detail=_why(known))
        temporary = (
            f"{os.path.dirname(path)}/.{os.path.basename(path)[:200]}.{secrets.token_hex(4)}"
        )
        try:
            _write_new(temporary, data, mode)
            if mode is None and not force:
                _link(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    return _sha256(data)


def _why(known: str | None) -> str:
    if known is None:
        return "it is there already, and was not opened here"
    return "somebody else has written it"


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
        raise FileChanged(path=path, detail=_why(None)) from None
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
