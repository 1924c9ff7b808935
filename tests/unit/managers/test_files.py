"""Whose a file is, and what is done to it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from runtimed import __version__
from runtimed.managers import files
from runtimed.managers.failures import ForeignFile, ServiceFailure

if TYPE_CHECKING:
    from pathlib import Path

OURS = f"# {files.mark('so')}\n[Unit]\n"


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.service"
    assert files.write(str(path), OURS)
    inode = path.stat().st_ino
    assert not files.write(str(path), OURS)
    assert path.stat().st_ino == inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert files.write(str(path), OURS + "# more\n")
    assert os.listdir(path.parent) == ["a.service"]


def test_what_is_there_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.service"
    assert files.look(str(path), OURS).state == "missing"
    path.write_text(OURS)
    assert files.look(str(path), OURS) == (str(path), "current", __version__)
    path.write_text(OURS.replace(__version__, "0.0.1"))
    assert files.look(str(path), OURS) == (str(path), "differs", "0.0.1")
    path.write_text("[Unit]\n")
    assert files.look(str(path), OURS).state == "foreign"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[Service]\nExecStart=/opt/other/bin/runtimed\n", "ExecStart=/opt/other/bin/runtimed"),
        ("[Socket]\nListenStream=/run/x\n", "ListenStream=/run/x"),
        ("<key>Program</key>\n<string>/opt/p</string>", "Program /opt/p"),
        (
            "<key>ProgramArguments</key>\n<array>\n<string>/opt/q</string>",
            "ProgramArguments /opt/q",
        ),
        ("", "no program"),
        ("x\n" * 10 + OURS, "no program"),
    ],
)
def test_what_is_not_ours_is_named_and_kept(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "a.service"
    path.write_text(text)
    with pytest.raises(ForeignFile) as caught:
        files.refuse_foreign(str(path))
    assert f"{path} is not ours ({named})" in str(caught.value)
    assert not files.remove(str(path))
    assert path.read_text() == text


def test_ours_may_be_written_over_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.service"
    files.refuse_foreign(str(path))
    path.write_text(OURS)
    files.refuse_foreign(str(path))
    assert files.remove(str(path))
    assert not files.remove(str(path))


def test_a_mask_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.service"
    path.symlink_to(os.devnull)
    with pytest.raises(ForeignFile, match="unmask"):
        files.refuse_foreign(str(path))
    path.unlink()
    path.symlink_to("/nowhere/at/all")
    with pytest.raises(ForeignFile, match="link to nowhere"):
        files.refuse_foreign(str(path))


def test_a_template_that_is_not_shipped_is_a_sentence() -> None:
    with pytest.raises(ServiceFailure, match=r"packaging/systemd/none\.service is not installed"):
        files.template("systemd", "none.service")
