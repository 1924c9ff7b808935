"""Whatever the umask, nobody else may write where we do: not into what lies above it, either."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.harness.shell import shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import State
    from tests.harness.systemd import Manager


def open_to_others(home: Path) -> dict[str, str]:
    """Return the directories below that others may write to, but for what IPython makes."""
    modes = {
        str(path.relative_to(home)): stat.S_IMODE(path.lstat().st_mode)
        for path in home.rglob("*")
        if path.is_dir() and not path.is_symlink() and ".ipython" not in path.parts
    }
    assert modes, "nothing was made"
    return {name: oct(mode) for name, mode in modes.items() if mode & 0o022}


@pytest.fixture
def usual(state: State) -> State:
    """Everything where it is when nobody says otherwise: below the home."""
    for name in ("JUPYTER_RUNTIME_DIR", "RUNTIMED_STATE_DIR"):
        del state.env[name]
    for name in [name for name in state.env if name.startswith("XDG_")]:
        del state.env[name]
    return state


@pytest.mark.parametrize("mask", ["000", "002"])
def test_a_daemon_that_an_eval_starts(usual: State, mask: str) -> None:
    done = shell(usual, f"umask {mask}; runt eval 1+1")
    try:
        assert done.stdout == "2\n", done.stderr
        assert (usual.home / ".local/share/jupyter/runtime").is_dir()
        assert open_to_others(usual.home) == {}
        assert (usual.root / "r").stat().st_mode & 0o077 == 0  # of the socket
    finally:
        stopped = shell(usual, "runt service stop --kernels")
    assert stopped.returncode == 0, stopped.stderr


def test_the_first_setting(usual: State) -> None:
    done = shell(usual, "umask 000; runt config set record off")
    assert done.returncode == 0, done.stderr
    assert (usual.home / ".config/runtimed/config.toml").is_file()
    assert open_to_others(usual.home) == {}


def test_an_installed_service(manager: Manager) -> None:
    done = manager.run("sh", "-c", "umask 000; runt service install --no-linger && runt eval 1+1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("2\n")
    assert (manager.unit_dir / "runtimed.service").is_file()
    assert open_to_others(manager.home) == {}
    assert os.stat(manager.unit_dir / "runtimed.service").st_mode & 0o022 == 0
