"""What is written over: files, and nothing that is none; and the modes that files had."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from runt import destination
from runt.failures import Failure
from runtimed.api.errors import FileUnusable
from runtimed.documents import files

if TYPE_CHECKING:
    from pathlib import Path


def write(path: str, text: str, *, known: str | None, force: bool = False) -> str:
    content = files.encoded(path, text)
    files.write(path, content, known=(known,), force=force)
    return content.sha256


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("force", [True, False])
def test_only_files_are_replaced(tmp_path: Path, force: bool) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(Failure, match="is not a regular file"):
        destination.write(str(fifo), b"x", force=force)
    with pytest.raises(FileUnusable, match="not a file"):
        write(str(fifo), "x", known=None, force=force)
    assert (stat.S_ISFIFO(fifo.stat().st_mode), os.listdir(tmp_path)) == (True, ["fifo"])


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    path, linked = tmp_path / "a", tmp_path / "link"
    path.touch(0o600)
    linked.symlink_to(path)
    destination.write(str(linked), b"x", force=True)
    assert (path.read_bytes(), mode(path), linked.is_symlink()) == (b"x", 0o600, True)
    write(str(path), "y", known=None, force=True)
    assert (path.read_text(), mode(path)) == ("y", 0o600)


def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        destination.write(str(tmp_path / "a"), b"x", force=False)
        write(str(tmp_path / "b"), "x", known=None)
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "b")) == (0o640, 0o640)
