"""Files of notebooks: nothing of anybody else's is written over."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from runtimed.api.errors import FileChanged, FileMissing, FileUnusable
from runtimed.documents import files

if TYPE_CHECKING:
    from pathlib import Path


def write(path: str, text: str, *, known: str | None, force: bool = False) -> str:
    content = files.encoded(path, text)
    files.write(path, content, known=(known,), force=force)
    return content.sha256


def test_what_was_read_may_be_written_over_and_nothing_else(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    first = write(path, "é", known=None)
    assert first == hashlib.sha256("é".encode()).hexdigest()
    assert files.read(path) == ("é", first)
    with pytest.raises(FileChanged, match="was not opened here"):
        write(path, "b", known=None)
    second = write(path, "b", known=first)
    with pytest.raises(FileChanged, match="somebody else"):
        write(path, "c", known=first)
    assert files.read(path) == ("b", second)
    write(path, "c", known=None, force=True)
    assert (files.read(path).text, os.listdir(tmp_path)) == ("c", ["a"])


def test_a_name_that_somebody_takes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    link = os.link

    def late(source: str, destination: str) -> None:
        path.write_text("theirs")
        link(source, destination)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileChanged):
        write(str(path), "ours", known=None)
    assert (path.read_text(), os.listdir(tmp_path)) == ("theirs", ["a"])


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        files.read(str(tmp_path / "none"))
    with pytest.raises(FileUnusable, match="irectory"):
        files.read(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileUnusable, match="not a file"):
        files.read(str(tmp_path / "fifo"))
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(FileUnusable, match="UTF-8"):
        files.read(str(tmp_path / "latin"))
    with pytest.raises(FileUnusable, match="directory does not exist"):
        write(str(tmp_path / "no" / "a"), "x", known=None)
