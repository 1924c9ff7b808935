"""What --purge removes, and what it leaves."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import data
from runtimed.managers.detached import holder_of
from runtimed.managers.failures import ServiceFailure

if TYPE_CHECKING:
    from runtimed.managers.instance import Instance


@pytest.fixture
def state(own: Instance) -> Path:
    """A state directory as a daemon leaves it."""
    own.state.create()
    directory = Path(own.state_dir)
    for name in ("runtimed.db", "runtimed.db-wal", "daemon.lock", "keeper.lock", "runtimed.log.1"):
        (directory / name).touch()
    (directory / "journal" / "x").mkdir()
    return directory


def test_all_of_ours_goes(own: Instance, state: Path, home: Path) -> None:
    config = home / ".config" / "runtimed" / "config.toml"
    config.parent.mkdir(parents=True)
    config.touch()
    assert data.remove(own, str(config)) == [f"removed {state}", f"removed {config}"]
    assert not state.exists()
    assert not config.parent.exists()
    assert data.remove(own, str(config)) == []


def test_what_is_not_ours_stays(own: Instance, state: Path) -> None:
    thesis = state / "thesis.tex"
    thesis.write_text("ten years")
    (state / "kernels").rmdir()
    (state / "kernels").symlink_to(state.parent)
    assert data.remove(own, "/nowhere/config.toml") == [f"left {thesis}, which is not ours"]
    assert list(state.iterdir()) == [thesis]
    assert state.parent.exists()


@pytest.mark.parametrize("name", ["daemon.lock", "keeper.lock"])
def test_what_is_in_use_is_not_touched(own: Instance, state: Path, name: str) -> None:
    with open(state / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        assert holder_of(str(state / name)) == os.getpid()
        with pytest.raises(ServiceFailure, match=f"in use .pid {os.getpid()}"):
            data.remove(own, "/nowhere/config.toml")
        lock.truncate(0)
        assert holder_of(str(state / name)) == 0
    assert holder_of(str(state / name)) is None
    assert (state / "runtimed.db").exists()


def test_launchds_logs_are_looked_for_where_launchd_is(
    own: Instance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := home / "file").touch()
    monkeypatch.setenv("HOME", str(file))
    assert data.remove(own, "/nowhere/config.toml") == []
