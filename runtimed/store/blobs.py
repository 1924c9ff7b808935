"""Large values as files, named by the SHA-256 of their bytes.

A file is complete before it has its name, and it is there before the transaction that names it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.store.db import unavailable

if TYPE_CHECKING:
    import apsw


class Blobs:
    """The folder of blobs: ``<first two digits>/<sha256>``."""

    def __init__(self, directory: str, limit_bytes: int) -> None:
        self._directory = directory
        self.limit_bytes = limit_bytes

    def path(self, sha256: str) -> str:
        return os.path.join(self._directory, sha256[:2], sha256)

    def put(self, data: bytes | memoryview) -> str:
        """Write the bytes, if they are not there, and return their SHA-256.

        May be called from any thread. Raises `StoreUnavailable`.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        with unavailable():
            if os.path.exists(path):
                return sha256
            folder = os.path.dirname(path)
            os.makedirs(folder, mode=0o700, exist_ok=True)
            fd, temporary = tempfile.mkstemp(dir=folder)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        return sha256

    def get(self, sha256: str) -> bytes | None:
        """Return the bytes, or None where there is no such blob."""
        try:
            with open(self.path(sha256), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def reference(self, mime: str, value: Any) -> dict[str, Any] | None:
        """Store a mimebundle's value if it is over the limit, and return the `BlobRef`.

        Images and other binary types are base64 text in a bundle: they are stored as what they
        are, wherever the text follows from the bytes again, character for character.
        """
        if not isinstance(value, str):
            data = msgspec.json.encode(value)
            return self._reference(data, "json") if len(data) > self.limit_bytes else None
        if len(value) * 4 <= self.limit_bytes:
            return None
        if len(value) > self.limit_bytes and not mime.startswith("text/"):
            plain = _from_base64(value)
            if plain is not None:
                return self._reference(plain, "base64")
        data = value.encode()
        return self._reference(data, "utf8") if len(data) > self.limit_bytes else None

    def _reference(self, data: bytes, encoding: str) -> dict[str, Any]:
        return {"blob": self.put(data), "size_bytes": len(data), "encoding": encoding}

    def buffer(self, data: bytes | memoryview) -> dict[str, Any]:
        """Store a message's binary buffer, of whatever size, and return its `BlobRef`."""
        return {"blob": self.put(data), "size_bytes": len(data), "encoding": "bytes"}


def _from_base64(text: str) -> bytes | None:
    """Decode canonical base64; None for anything that its bytes would not give back."""
    try:
        plain = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    last = plain[-(len(plain) % 3 or 3) :]
    is_canonical = len(text) == (len(plain) + 2) // 3 * 4
    return plain if is_canonical and text.endswith(base64.b64encode(last).decode()) else None


def note(db: apsw.Connection, sha256: str, size_bytes: int, now_ms: int) -> None:
    """Record a blob in the transaction that refers to it."""
    db.execute("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", (sha256, size_bytes, now_ms))


def total_bytes(db: apsw.Connection) -> int:
    """Return the size of all recorded blobs."""
    return int(db.execute("SELECT coalesce(sum(size_bytes), 0) FROM blob").get)
