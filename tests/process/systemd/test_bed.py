"""The test bed itself: a manager of one's own, as root and as an ordinary user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.systemd import USER_IDS, USERS

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

pytestmark = pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)


def test_a_service_runs_behind_it_and_writes_to_its_journal(manager: Manager) -> None:
    manager.systemctl("is-system-running")
    script = "echo $$(id -u); pwd; sleep 2"  # a line of what has ended names no unit
    unit = f"[Service]\nExecStart=/bin/sh -c '{script}'\n"
    manager.write(manager.unit_dir / "hello.service", unit)
    manager.systemctl("daemon-reload")
    manager.systemctl("start", "--wait", "hello.service")
    said = manager.journal("hello.service").splitlines()
    assert {"Started hello.service.", str(manager.uid), str(manager.home)} <= set(said)


def test_a_login_session_can_make_scopes_and_run_what_is_tested(manager: Manager) -> None:
    scope = manager.run("systemd-run", "--user", "--scope", "-q", "cat", "/proc/self/cgroup")
    assert f"user@{manager.uid}.service" in scope.stdout, scope.stderr
    session = manager.run("cat", "/proc/self/cgroup")
    assert f"user-{manager.uid}.slice/session-1.scope" in session.stdout
    version = manager.runt("--version")
    assert version.returncode == 0, version.stderr
