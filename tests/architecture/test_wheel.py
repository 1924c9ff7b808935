"""What people install: both packages, with everything that lies in them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-c", BUILD, str(directory)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return zipfile.ZipFile(directory / run.stdout.split()[-1])


def test_it_holds_every_file_of_both_packages(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = {
        str(path.relative_to(ROOT))
        for package in ("runtimed", "runt")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there


def test_data_and_type_markers_are_there(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert {"runtimed/py.typed", "runt/py.typed"} <= set(names)
    assert any(name.endswith(".sql") for name in names)


def test_both_programs_and_the_licence_are_there(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(entry_points).decode()
    assert "runt = runt.cli:main" in text
    assert "runtimed = runtimed.main:main" in text
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
