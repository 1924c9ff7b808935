"""What people install: both packages, with everything that lies in them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-c", BUILD, str(directory)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return zipfile.ZipFile(directory / run.stdout.split()[-1])


def files_of(directory: Path) -> Iterator[Path]:
    for path in directory.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def test_it_holds_every_file_of_both_packages(wheel: zipfile.ZipFile) -> None:
    beside = (".dist-info/", ".data/")
    packed = {name for name in wheel.namelist() if not any(part in name for part in beside)}
    there = {
        str(path.relative_to(ROOT))
        for package in ("runtimed", "runt")
        for path in files_of(ROOT / package)
    }
    units = {f"runtimed/{path.relative_to(ROOT)}" for path in files_of(ROOT / "packaging")}
    assert {path.rpartition("/")[2] for path in units} > {"runtimed.service", "README.md"}
    assert packed == there | units


def test_data_and_type_markers_are_there(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert {"runtimed/py.typed", "runt/py.typed"} <= set(names)
    assert any(name.endswith(".sql") for name in names)


def test_manual_pages_are_where_man_looks(wheel: zipfile.ZipFile) -> None:
    pages = {name.partition(".data/data/")[2] for name in wheel.namelist() if ".data/" in name}
    assert pages == {"share/man/man1/runt.1", "share/man/man8/runtimed.8"}


def test_both_programs_and_the_licence_are_there(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(entry_points).decode()
    assert "runt = runt.cli:main" in text
    assert "runtimed = runtimed.main:main" in text
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
