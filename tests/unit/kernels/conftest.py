from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.kernels import places
from runtimed.kernels.specs import SpecFinder
from tests.harness.jupyter import make_venv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of environments; and no conda of the machine's."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("RUNTIMED_CACHE_DIR", str(directory))
    monkeypatch.setattr(places, "_CONDA_FOR_ALL", ())
    return directory


@pytest.fixture
def user_jupyter(home: Path) -> Path:
    return home / ".local" / "share" / "jupyter"


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """The variables of a caller with an empty home, and nothing on PATH."""
    return {"HOME": str(home), "PATH": str(home / "bin"), "XDG_DATA_HOME": ""}


@pytest.fixture
def finder() -> SpecFinder:
    return SpecFinder()


@pytest.fixture(scope="session")
def good_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that can run ipykernel."""
    return make_venv(tmp_path_factory.mktemp("good") / ".venv", ipykernel=True)


@pytest.fixture(scope="session")
def bare_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without ipykernel and without pip."""
    return make_venv(tmp_path_factory.mktemp("bare") / ".venv", ipykernel=False)
