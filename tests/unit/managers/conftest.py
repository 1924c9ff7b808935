"""An instance of a user's own, in a temporary home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.managers.instance import Instance, current

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a runtime directory, and none of the variables that say otherwise."""
    for name in ("RUNTIMED_STATE_DIR", "RUNTIMED_SOCKET", "RUNTIMED_CONFIG", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    runtime_dir = tmp_path / "run"
    runtime_dir.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_dir))
    return tmp_path


@pytest.fixture
def own(home: Path) -> Instance:
    """The user's own instance: all places are the usual ones."""
    return current()


@pytest.fixture
def second(home: Path) -> Instance:
    """One with places of its own, which need quoting."""
    return Instance(f"{home}/a b%c", f"{home}/x%y z/d.sock", f'{home}/q"\\.toml')
