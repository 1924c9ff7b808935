"""Large values as files, named by the SHA-256 of their bytes.

A file is complete before it has its name, and it is there before the transaction that names it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import tempfile
import threading
from typing import TYPE_CHECKING, Any

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
_REFERENCE = re.compile(r'"blob":"([0-9a-f]{64})"')


class Blobs:
    """The folder of blobs: ``<first two digits>/<sha256>``."""

    def __init__(self, directory: str, limit_bytes: int) -> None:
        self._directory = directory
        self.limit_bytes = limit_bytes
        self._keeping = threading.Lock()

    def path(self, sha256: str) -> str:
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

    def _keep(self, temporary: str, sha256: str) -> None:
        path = self.path(sha256)
        with self._keeping:
            if os.path.exists(path):
                os.unlink(temporary)
                os.utime(path)  # it is wanted again: see `remove_settled`
                return
            make_dirs(os.path.dirname(path))
            os.replace(temporary, path)

    def get(self, sha256: str) -> bytes | None:
        """Return the bytes, or None where there is no such blob."""
        try:
            with open(self.path(sha256), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def remove(self, sha256: str) -> None:
        """Remove a blob that nothing refers to any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(sha256))

    def remove_settled(self, sha256: str, now_s: float) -> bool:
        """Remove a blob, and say whether it is gone; a young one stays.

        A file is there before what refers to it is stored.
        """
        with self._keeping:
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
        are, wherever the text follows from the bytes again, character for character.
        """
        if not isinstance(value, str):
            data = msgspec.json.encode(value)
            return self._reference([data], "json") if len(data) > self.limit_bytes else None
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


def leave(db: apsw.Connection, owner: str) -> list[str]:
    """Forget what an owner refers to, and return the blobs that nobody refers to any more."""
    left = [
        str(row[0])
        for row in db.execute("DELETE FROM blob_use WHERE owner = ? RETURNING sha256", (owner,))
    ]
    used = "SELECT 1 FROM blob_use WHERE sha256 = ?"
    return [sha256 for sha256 in left if db.execute(used, (sha256,)).get is None]


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
