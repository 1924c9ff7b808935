"""Large values as files, named by the SHA-256 of their bytes.

A file is complete before it has its name, and it is there before the transaction that names it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import json
import math
import os
import re
import stat
import tempfile
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from runtimed.paths import make_dirs
from runtimed.store.db import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import apsw

#: How much text is encoded or decoded at a time; base64 may be cut at multiples of four.
_PIECE_CHARS = 2**20
#: What refers to a blob is stored within this time after it was written, or never.
SETTLED_S = 600.0
#: Where it is noted what is written now, and will be referred to.
_claim: ContextVar[set[str] | None] = ContextVar("claim", default=None)
_REFERENCE = re.compile(r'"blob":"([0-9a-f]{64})"')
#: A blob is a file, and nothing that waits for a writer or stands for another file.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """The folder of blobs: ``<first two digits>/<sha256>``."""

    def __init__(self, directory: str, limit_bytes: int) -> None:
        self._directory = directory
        self.limit_bytes = limit_bytes
        self._keeping = threading.Lock()
        self._claims: list[set[str]] = []
        #: When blobs were written that nobody claims: what will refer to them, is not known.
        self._unclaimed_s: dict[str, float] = {}

    def path(self, sha256: str) -> str:
        """Return where a blob is, if it is there. Raises `ValueError` for what is no SHA-256."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"no SHA-256: {sha256!r}")
        return os.path.join(self._directory, sha256[:2], sha256)

    def put(self, pieces: Iterable[bytes | memoryview]) -> tuple[str, int]:
        """Write the bytes, if they are not there; return their SHA-256, and how many they are.

        May be called from any thread. Raises `StoreUnavailable`, and what the pieces raise; then
        nothing is left.
        """
        digest = hashlib.sha256()
        with unavailable():
            fd, temporary = tempfile.mkstemp(dir=self._directory)
            try:
                with os.fdopen(fd, "wb") as file:
                    for piece in pieces:
                        digest.update(piece)
                        file.write(piece)
                    size_bytes = file.tell()
                self._keep(temporary, digest.hexdigest())
            except BaseException:
                os.unlink(temporary)
                raise
        return digest.hexdigest(), size_bytes

    @contextlib.contextmanager
    def claiming(self) -> Iterator[None]:
        """Keep what is written within: what refers to it is stored when this is left.

        Threads that `asyncio.to_thread` starts within are part of it.
        """
        claimed = set[str]()
        with self._keeping:
            self._claims.append(claimed)
        token = _claim.set(claimed)
        try:
            yield
        finally:
            _claim.reset(token)
            with self._keeping:
                self._claims = [each for each in self._claims if each is not claimed]

    def _note_written(self, sha256: str) -> None:
        if (claimed := _claim.get()) is not None:
            claimed.add(sha256)
            return
        now_s = time.monotonic()
        for each, at_s in list(self._unclaimed_s.items()):
            if now_s - at_s < SETTLED_S:
                break
            del self._unclaimed_s[each]
        self._unclaimed_s.pop(sha256, None)  # the order is that of time
        self._unclaimed_s[sha256] = now_s

    def _is_claimed(self, sha256: str) -> bool:
        at_s = self._unclaimed_s.get(sha256)
        if at_s is not None and time.monotonic() - at_s < SETTLED_S:
            return True
        return any(sha256 in claimed for claimed in self._claims)

    def _keep(self, temporary: str, sha256: str) -> None:
        path = self.path(sha256)
        with self._keeping:
            self._note_written(sha256)
            if os.path.exists(path):
                os.unlink(temporary)
                os.utime(path)  # it is wanted again: see `remove_settled`
                return
            make_dirs(os.path.dirname(path))
            os.replace(temporary, path)

    def get(self, sha256: str) -> bytes | None:
        """Return the bytes, or None where there is no such blob."""
        file = self._open(sha256)
        if file is None:
            return None
        with file:
            return file.read()

    def _open(self, sha256: str) -> BinaryIO | None:
        """Open a blob's file: a regular one, and no link to one."""
        try:
            fd = os.open(self.path(sha256), _READ)
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link
                return None
            raise
        file = open(fd, "rb")
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return file
        file.close()
        return None

    def head(self, sha256: str, size_bytes: int) -> bytes:
        """Return the first bytes, at most so many; none where there is no such blob."""
        file = self._open(sha256)
        if file is None:
            return b""
        with file:
            return file.read(size_bytes)

    def remove_unclaimed(self, sha256: str) -> bool:
        """Remove a blob that nothing refers to, and say whether it is gone.

        One stays that was written for what is not stored yet. To be called where nothing is
        committed between the look at who refers to it and this: on the loop.
        """
        with self._keeping:
            if self._is_claimed(sha256):
                return False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(sha256))
            return True

    def remove_settled(self, sha256: str, now_s: float) -> bool:
        """Remove a blob, and say whether it is gone; a young one stays.

        A file is there before what refers to it is stored.
        """
        with self._keeping:
            if any(sha256 in claimed for claimed in self._claims):
                return False
            try:
                if now_s - os.stat(self.path(sha256)).st_mtime < SETTLED_S:
                    return False
                os.unlink(self.path(sha256))
            except FileNotFoundError:
                pass
            return True

    def reference(self, mime: str, value: Any) -> dict[str, Any] | None:
        """Store a mimebundle's value if it is over the limit, and return the `BlobRef`.

        Images and other binary types are base64 text in a bundle: they are stored as what they
        are, wherever the text follows from the bytes again, character for character. What looks
        like a reference itself is stored, too: what a kernel or a file says, is none; and what has
        NaN or an infinity, as notebooks write them: JSON has no words for them.
        """
        if not isinstance(value, str):
            data = msgspec.json.encode(value)
            must_be = is_escaped(value) or (b"null" in data and not _is_finite(value))
            if not must_be and len(data) <= self.limit_bytes:
                return None
            return self._reference([data if not must_be else json.dumps(value).encode()], "json")
        if len(value) * 4 <= self.limit_bytes:
            return None
        if len(value) > self.limit_bytes and not mime.startswith("text/"):
            try:
                return self._reference(_from_base64(value), "base64")
            except _NotBase64:
                pass
        if len(value) <= self.limit_bytes >= sum(map(len, _encoded(value))):
            return None
        return self._reference(_encoded(value), "utf8")

    def buffer(self, data: bytes | memoryview) -> dict[str, Any]:
        """Store a message's binary buffer, of whatever size, and return its `BlobRef`."""
        return self._reference([data], "bytes")

    def _reference(self, pieces: Iterable[bytes | memoryview], encoding: str) -> dict[str, Any]:
        sha256, size_bytes = self.put(pieces)
        return {"blob": sha256, "size_bytes": size_bytes, "encoding": encoding}


def value_of(content: bytes, encoding: str) -> Any:
    """Return the value of which a reference of this encoding has these bytes."""
    if encoding == "json":
        return msgspec.json.decode(content)
    text = base64.b64encode(content) if encoding == "base64" else content
    return text.decode("utf-8", "replace")


def is_escaped(value: object) -> bool:
    """Say whether a value looks like a `BlobRef` and so is never stored inline."""
    return isinstance(value, dict) and "blob" in value and "encoding" in value


def _is_finite(value: object) -> bool:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif isinstance(each, float) and not math.isfinite(each):
            return False
    return True


class _NotBase64(ValueError):
    """It is not canonical base64: its bytes would not give it back."""


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces: a thread that works on all of it at once stops all others."""
    return (text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS))


def _encoded(text: str) -> Iterator[bytes]:
    return (piece.encode() for piece in _pieces(text))


def _from_base64(text: str) -> Iterator[bytes]:
    """Decode canonical base64. Raises `_NotBase64`."""
    if len(text) % 4:
        raise _NotBase64
    left_chars = len(text)
    for piece in _pieces(text):
        left_chars -= len(piece)
        try:
            plain = binascii.a2b_base64(piece, strict_mode=True)
        except ValueError:
            raise _NotBase64 from None
        # Padding ends the text, and the bits that it leaves over are zero.
        if piece.endswith("=") and (left_chars or not _gives_back(plain, piece)):
            raise _NotBase64
        yield plain


def _gives_back(plain: bytes, padded: str) -> bool:
    return padded.endswith(base64.b64encode(plain[-(len(plain) % 3) :]).decode())


def note(db: apsw.Connection, sha256: str, size_bytes: int, now_ms: int) -> None:
    """Record a blob in the transaction that refers to it."""
    db.execute("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", (sha256, size_bytes, now_ms))


def note_uses(db: apsw.Connection, owner: str, data_json: str) -> None:
    """Record which blobs an owner's JSON refers to: an execution's, or another document's."""
    found = _REFERENCE.findall(data_json)
    db.executemany("INSERT OR IGNORE INTO blob_use VALUES (?, ?)", ((sha, owner) for sha in found))


def is_used_in(db: apsw.Connection, sha256: str, runtime_ids: set[str]) -> bool:
    """Say whether an execution in one of these runtimes refers to the blob."""
    users = (
        "SELECT runtime_id FROM blob_use JOIN execution ON execution.id = blob_use.owner "
        "WHERE sha256 = ?"
    )
    return any(id in runtime_ids for (id,) in db.execute(users, (sha256,)))


def is_used(db: apsw.Connection, sha256: str) -> bool:
    """Say whether anybody refers to a blob."""
    return db.execute("SELECT 1 FROM blob_use WHERE sha256 = ?", (sha256,)).get is not None


def leave(db: apsw.Connection, owner: str) -> list[str]:
    """Forget what an owner refers to, and return the blobs that nobody refers to any more."""
    left = [
        str(row[0])
        for row in db.execute("DELETE FROM blob_use WHERE owner = ? RETURNING sha256", (owner,))
    ]
    return [sha256 for sha256 in left if not is_used(db, sha256)]


def unused(db: apsw.Connection) -> list[tuple[str, int]]:
    """Return the blobs that nobody refers to, and their sizes."""
    sql = (
        "SELECT sha256, size_bytes FROM blob "
        "WHERE NOT EXISTS (SELECT 1 FROM blob_use WHERE blob_use.sha256 = blob.sha256)"
    )
    return [(str(sha256), int(str(size))) for sha256, size in db.execute(sql)]


def drop(db: apsw.Connection, sha256: str) -> bool:
    """Remove the record of a blob, unless somebody refers to it by now."""
    sql = (
        "DELETE FROM blob WHERE sha256 = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM blob_use WHERE sha256 = ?1) RETURNING 1"
    )
    return db.execute(sql, (sha256,)).get is not None


def total_bytes(db: apsw.Connection) -> int:
    """Return the size of all recorded blobs."""
    return int(db.execute("SELECT coalesce(sum(size_bytes), 0) FROM blob").get)


def unused_bytes(db: apsw.Connection) -> int:
    """Return the size of the blobs that nobody refers to: they go when they are old enough."""
    return sum(size_bytes for _, size_bytes in unused(db))
