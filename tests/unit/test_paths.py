"""Places that are not safely ours, and what is said of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtimed.paths import UnsafePath, check_private, make_dirs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("tail", ["", "/", "/."])
def test_all_that_is_made_is_closed_and_what_was_there_stays_as_it_was(
    tmp_path: Path, tail: str
) -> None:
    tmp_path.chmod(0o755)
    directory = tmp_path / "a" / "b" / "c"
    old = os.umask(0)
    try:
        make_dirs(f"{directory}{tail}")
    finally:
        os.umask(old)
    made = (directory, *directory.parents[:3])
    assert [oct(each.stat().st_mode & 0o777) for each in made] == ["0o700"] * 3 + ["0o755"]
    make_dirs(str(directory))


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        make_dirs(str(tmp_path / "a" / "b"))
    with pytest.raises(FileExistsError):
        make_dirs(str(tmp_path / "a"))


def test_a_directory_of_ours_can_be_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(UnsafePath, match=rf"mode 0755; .*\(chmod 700 {tmp_path}, if it is yours\)"):
        check_private(str(tmp_path))


@pytest.mark.parametrize("mode", [0o1777, 0o1755])
def test_a_directory_that_many_share_is_not_to_be_closed(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UnsafePath, match="choose another path") as caught:
        check_private(str(tmp_path))
    assert "chmod" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away")
def test_a_directory_of_somebody_else_is_theirs_to_close(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(UnsafePath, match="uid 65534, not to us; choose another path") as caught:
        check_private(str(tmp_path))
    assert "chmod" not in str(caught.value)
