from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runt import project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("marker", [".git", "pyproject.toml", ".venv"])
def test_the_nearest_parent_with_a_marker_is_the_project(tmp_path: Path, marker: str) -> None:
    inner = tmp_path / "outer" / "inner" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / marker).mkdir()
    (tmp_path / marker).mkdir()
    assert project.find(str(inner)) == str((tmp_path / "outer").resolve())


def test_without_a_marker_it_is_the_directory(tmp_path: Path) -> None:
    assert project.find(str(tmp_path)) == str(tmp_path.resolve())


def test_a_link_leads_to_the_same_project(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert project.find(str(tmp_path / "link")) == str(real.resolve())


def test_the_working_directory_keeps_the_shells_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "link")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert project.cwd() == str(tmp_path / "link")
    monkeypatch.setenv("PWD", "/elsewhere")
    assert project.cwd() == os.getcwd()


SESSION = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
    "JPY_PARENT_PID",
    "SHLVL",
    "OLDPWD",
    "_",
    "RUNT_RUNTIME",
]


def test_session_variables_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SESSION, "MINE"):
        monkeypatch.setenv(name, "x")
    found = project.environment()
    assert found["MINE"] == "x"
    assert not set(SESSION) & set(found)


def test_added_variables_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "old")
    monkeypatch.setenv("HERE", "taken")
    monkeypatch.setenv("NOTIFY_SOCKET", "x")
    found = project.environment(("A=new=er", "EMPTY=", "HERE", "NOTIFY_SOCKET=asked"))
    assert found["A"] == "new=er"
    assert found["EMPTY"] == ""
    assert found["NOTIFY_SOCKET"] == "asked"


def test_a_clean_environment_has_what_a_login_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("HERE", "taken")
    found = project.environment(("HERE", "A=1"), clean=True)
    assert found["PATH"] == os.environ["PATH"]
    assert found["HERE"] == "taken"
    assert found["A"] == "1"
    assert "SECRET" not in found


def test_bytes_that_are_no_utf8_can_be_sent() -> None:
    os.environb[b"ODD"] = b"a\xff"
    try:
        assert project.environment()["ODD"] == "a\N{REPLACEMENT CHARACTER}"
    finally:
        del os.environb[b"ODD"]
