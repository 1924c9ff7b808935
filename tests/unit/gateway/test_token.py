"""The token's file: made once, for its owner alone, and never taken from anywhere else."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runtimed.gateway.token import UnusableToken, load
from runtimed.paths import UnsafePath

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    old = os.umask(0)
    try:
        token = load(str(path))
    finally:
        os.umask(old)
    assert len(token) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(str(path)) == token
    assert os.listdir(tmp_path) == ["token"]


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(load, [str(tmp_path / "token")] * 32))
    assert len(tokens) == 1
    assert os.listdir(tmp_path) == ["token"]


def test_a_token_of_ones_own_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  my-own.token_of~24+chars==\n")
    path.chmod(0o600)
    assert load(str(path)) == "my-own.token_of~24+chars=="


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    load(str(path))
    path.chmod(mode)
    with pytest.raises(UnsafePath, match=f"has mode {mode:04o}"):
        load(str(path))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(UnsafePath, match="is not a file"):
        load(str(fifo))
    with pytest.raises(UnsafePath, match=f"{tmp_path} is not a file"):
        load(str(tmp_path))
    target = tmp_path / "token"
    load(str(target))
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        load(str(link))


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere" / "token")
    with pytest.raises(FileNotFoundError) as caught:
        load(path)
    assert caught.value.filename == path


@pytest.mark.parametrize(
    "text", ["", "\n", "two words that are long", "sixteen-chars-\u00e9\u00e9", "fifteen-chars-x"]
)
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(UnusableToken):
        load(str(path))
