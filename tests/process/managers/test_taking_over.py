"""Whoever runs the daemon and the keeper, and is followed by whom: nothing of a storm is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.managers import units

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

LINES = 60_000
CODE = """
import time
for i in range({lines}):
    if i == 1000:
        open({began!r}, "w").close()
    print(i)
    if i % 1000 == 999:
        time.sleep(0.05)
"""
DETACHED = {"RUNTIMED_MANAGER": "detached"}


class Storm:
    """A cell that prints numbered lines for as long as it takes to replace who records them."""

    def __init__(self, manager: Manager, env: dict[str, str]) -> None:
        self._manager = manager
        self._began = manager.home / "began"
        self._began.unlink(missing_ok=True)
        code = CODE.format(lines=LINES, began=str(self._began))
        self.id = self._runt("submit", code, env=env).strip()
        self._wait_until_it_prints()

    def _runt(self, *args: str, env: dict[str, str] | None = None) -> str:
        done = self._manager.runt(*args, env=env)
        assert done.returncode == 0, (args, done.stderr, self._manager.journal())
        return done.stdout

    def _wait_until_it_prints(self) -> None:
        follow = ["sh", "-c", f"until [ -e {self._began} ]; do sleep 0.02; done"]
        assert self._manager.run(*follow).returncode == 0

    def is_whole(self) -> None:
        """Wait until it has ended, and look at what is on the record."""
        self._runt("wait", self.id, "--wait", "100")
        execution = json.loads(self._runt("show", self.id, "--json"))["execution"]
        assert (execution["status"], execution["gap"]) == ("done", None)
        printed = self._runt("output", self.id, "--lines", "100000").splitlines()
        assert printed == [str(number) for number in range(LINES)]


def status(manager: Manager) -> dict[str, Any]:
    done = manager.runt("service", "status", "--json")
    return dict(json.loads(done.stdout)["service"])


def pids(manager: Manager) -> tuple[int, int]:
    found = status(manager)
    return found["daemon"]["pid"], found["keeper"]["pid"]


@pytest.mark.parametrize("env", [DETACHED, {}], ids=["detached", "transient"])
def test_the_service_takes_over_from_what_runs(manager: Manager, env: dict[str, str]) -> None:
    storm = Storm(manager, env)
    before = pids(manager)
    done = manager.runt("service", "install")
    assert done.returncode == 0, (done.stderr, manager.journal())
    assert f"in place of the one that ran (pid {before[0]})" in done.stdout
    after = manager.main_pid(units.DAEMON), manager.main_pid(units.KEEPER)
    assert pids(manager) == after
    assert not set(before) & set(after)
    storm.is_whole()
    assert manager.runt("eval", "i").stdout == f"{LINES - 1}\n"


def test_a_restart_loses_nothing(manager: Manager) -> None:
    assert manager.runt("service", "install").returncode == 0
    storm = Storm(manager, {})
    before = pids(manager)
    for _ in range(2):
        done = manager.runt("service", "restart")
        assert done.returncode == 0, (done.stderr, manager.journal())
        assert "the keeper handed its kernels over" in done.stdout
    after = pids(manager)
    assert not set(before) & set(after)
    assert after == (manager.main_pid(units.DAEMON), manager.main_pid(units.KEEPER))
    storm.is_whole()


@pytest.mark.parametrize("env", [DETACHED, {}], ids=["detached", "transient"])
def test_without_an_install_a_restart_loses_nothing_either(
    manager: Manager, env: dict[str, str]
) -> None:
    storm = Storm(manager, env)
    before = pids(manager)
    done = manager.runt("service", "restart", env=env)
    assert done.returncode == 0, (done.stderr, manager.journal())
    assert not set(before) & set(pids(manager))
    storm.is_whole()
    assert manager.runt("service", "stop", "--kernels", env=env).returncode == 0
