"""Places that are not safely ours, and what is said of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runtimed.paths import UnsafePath, check_private

if TYPE_CHECKING:
    from pathlib import Path


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
