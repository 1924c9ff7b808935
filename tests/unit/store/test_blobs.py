"""Large values become files, and come back byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from runtimed.store.blobs import _PIECE_CHARS, Blobs

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_BYTES = 1000
LONG = 2 * _PIECE_CHARS + 100


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path), LIMIT_BYTES)


def files_below(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("text", ["x" * LONG, "é" * LONG, "x" + "\U0001f600" * LONG])
def test_text_is_stored_as_utf8(blobs: Blobs, text: str) -> None:
    reference = blobs.reference("text/html", text)
    assert reference is not None
    assert blobs.get(reference["blob"]) == text.encode()
    assert reference["blob"] == hashlib.sha256(text.encode()).hexdigest()
    assert (reference["size_bytes"], reference["encoding"]) == (len(text.encode()), "utf8")


@pytest.mark.parametrize("text", ["x" * LIMIT_BYTES, "é" * (LIMIT_BYTES // 2)])
def test_the_limit_counts_bytes(blobs: Blobs, text: str) -> None:
    assert blobs.reference("text/plain", text) is None
    assert blobs.reference("text/plain", text + "x") is not None


@pytest.mark.parametrize(
    "size_bytes", [LONG, LONG + 1, LONG + 2, _PIECE_CHARS // 4 * 3, _PIECE_CHARS // 4 * 3 - 1]
)
def test_base64_is_stored_as_what_it_is(blobs: Blobs, size_bytes: int) -> None:
    plain = bytes(number % 251 for number in range(size_bytes))
    reference = blobs.reference("image/png", base64.b64encode(plain).decode())
    assert reference is not None
    assert blobs.get(reference["blob"]) == plain
    assert (reference["size_bytes"], reference["encoding"]) == (size_bytes, "base64")


FULL = "QUJD" * (_PIECE_CHARS // 4)


@pytest.mark.parametrize(
    "text",
    [
        FULL + "QQ",  # not padded
        FULL + "QR==",  # bits left over
        FULL[:-4] + "QQ==" + FULL,  # padding in the middle, at a piece's end
        FULL + "QQ==QUJD",
        FULL + "QU\nJ",
        FULL + "QUé=",
    ],
)
def test_what_its_bytes_would_not_give_back_stays_text(
    blobs: Blobs, tmp_path: Path, text: str
) -> None:
    reference = blobs.reference("image/png", text)
    assert reference is not None
    assert reference["encoding"] == "utf8"
    assert blobs.get(reference["blob"]) == text.encode()
    assert files_below(tmp_path) == [reference["blob"]]


def test_the_same_value_is_one_file(blobs: Blobs, tmp_path: Path) -> None:
    first = blobs.reference("text/html", "x" * LONG)
    assert first is not None
    assert blobs.reference("text/html", "x" * LONG) == first
    assert files_below(tmp_path) == [first["blob"]]


def test_a_buffer_is_stored_whatever_its_size(blobs: Blobs) -> None:
    reference = blobs.buffer(memoryview(b"abc"))
    assert blobs.get(reference["blob"]) == b"abc"
    assert (reference["size_bytes"], reference["encoding"]) == (3, "bytes")


@pytest.mark.parametrize(
    "value",
    [
        {"blob": "/etc/passwd", "size_bytes": 1, "encoding": "utf8"},
        {"blob": "0" * 64, "size_bytes": 1, "encoding": "json"},
        {"blob": 5, "encoding": None, "more": 1},
    ],
)
def test_what_looks_like_a_reference_is_stored_as_what_it_is(
    blobs: Blobs, value: dict[str, object]
) -> None:
    reference = blobs.reference("application/json", value)
    assert reference is not None
    assert json.loads(blobs.get(reference["blob"]) or b"") == value
    assert reference["encoding"] == "json"


def test_only_regular_files_under_their_digits_are_blobs(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for sha256 in (str(tmp_path / "secret"), "../secret", "A" * 64, "a" * 64 + "\n"):
        assert blobs.get(sha256) is None
        with pytest.raises(ValueError, match="no SHA-256"):
            blobs.path(sha256)
    fifo, link = ("0" * 64, "1" * 64)
    for sha256 in (fifo, link):
        os.mkdir(os.path.dirname(blobs.path(sha256)))
    os.mkfifo(blobs.path(fifo))
    os.symlink(tmp_path / "secret", blobs.path(link))
    assert (blobs.get(fifo), blobs.get(link)) == (None, None)
