"""Under which path our program stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.managers.failures import ServiceFailure
from runtimed.managers.programs import runtimed_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose directory has a version in its name, behind a link without."""
    versioned = tmp_path / "venv-1.2.3"
    (versioned / "bin").mkdir(parents=True)
    program = versioned / "bin" / "runtimed"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "venv").symlink_to(versioned)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    return tmp_path / "venv"


def python(venv: Path) -> str:
    return str(venv / "bin" / "python")


def test_it_is_beside_the_interpreter_and_no_link_is_resolved(venv: Path) -> None:
    assert runtimed_program(python(venv)) == str(venv / "bin" / "runtimed")


@pytest.mark.parametrize("on_path", [True, False])
def test_a_link_that_leads_to_it_is_preferred(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool
) -> None:
    directory = tmp_path / ("links" if on_path else ".local/bin")
    directory.mkdir(parents=True)
    link = directory / "runtimed"
    link.symlink_to(venv / "bin" / "runtimed")
    if on_path:
        monkeypatch.setenv("PATH", str(directory))
    assert runtimed_program(python(venv)) == str(link)


def test_another_product_on_the_path_is_not_ours(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "runtimed"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert runtimed_program(python(venv)) == str(venv / "bin" / "runtimed")


def test_where_there_is_none_a_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailure, match=r"there is no program .*/bin/runtimed"):
        runtimed_program(str(tmp_path / "bin" / "python"))
