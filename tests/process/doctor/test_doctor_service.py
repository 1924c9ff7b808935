"""The doctor with a real ``systemd --user``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.managers import units
from tests.harness.systemd import RUNTIMED, USER_IDS, USERS, Manager
from tests.process.doctor.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Mapping


def doctor(manager: Manager, *args: str, env: Mapping[str, str] | None = None) -> Findings:
    return Findings(manager.runt("doctor", "--json", *args, env=env))


def service(manager: Manager, verb: str, **more: Any) -> None:
    done = manager.runt("service", verb, **more)
    assert done.returncode == 0, (done.stdout, done.stderr, manager.journal())


@pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)
def test_an_installed_service_is_well(manager: Manager) -> None:
    before = doctor(manager)
    assert before.problems() == []
    assert before.status("service") == "note"
    assert before.worst("service")["remedy"] == "runt service install"
    service(manager, "install")
    found = doctor(manager)
    assert found.problems() == [], found.all
    for check in ("service", "service-files", "versions", "socket", "login-session"):
        assert found.status(check) == "ok", found.worst(check)
    service(manager, "stop")
    stopped = doctor(manager)
    assert "was stopped" in stopped.text("service")
    assert stopped.problems() == [], stopped.all


_BIND = "import os, socket, sys; os.umask(0o177); socket.socket(socket.AF_UNIX).bind(sys.argv[1])"


def test_a_socket_that_the_service_manager_has_left_is_no_problem(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    manager.run("rm", "-f", str(manager.socket))
    bound = manager.run(sys.executable, "-c", _BIND, str(manager.socket))
    assert bound.returncode == 0, bound
    found = doctor(manager)
    assert "the service was stopped" in found.text("socket")
    assert found.problems() == [], found.all


@pytest.mark.parametrize("runs", [True, False])
def test_a_socket_that_is_gone_is_made_anew(manager: Manager, runs: bool) -> None:
    service(manager, "install")
    if not runs:
        manager.systemctl("stop", units.DAEMON)
        manager.systemctl("start", units.SOCKET_UNIT)
    manager.run("rm", str(manager.socket))
    found = doctor(manager)
    assert found.problems() == ["socket"], found.all
    assert found.worst("socket")["remedy"] == "runt service restart"
    fixed = doctor(manager, "--fix")
    assert fixed.status("socket") == "fixed", fixed.worst("socket")
    assert fixed.problems() == [], fixed.all
    assert manager.main_pid(units.DAEMON)


def test_what_runs_from_another_environment_than_the_unit_names_is_told(manager: Manager) -> None:
    service(manager, "install")
    assert doctor(manager).status("origins") == "ok"
    other = manager.write(
        manager.home / "other/bin/runtimed", f"#!{manager.home}/other/bin/python3\n", 0o755
    )
    unit = manager.unit_dir / units.DAEMON
    manager.write(unit, unit.read_text().replace(str(RUNTIMED), str(other)))
    found = doctor(manager)
    texts = [each["text"] for each in found.all if each["check"] == "origins"]
    assert ["the daemon" in texts[0], "the keeper" in texts[1]] == [True, True], texts
    assert found.worst("origins")["remedy"] == "runt service restart"


def test_the_managers_socket_is_not_woken(manager: Manager) -> None:
    service(manager, "install")
    manager.systemctl("stop", units.DAEMON)
    manager.systemctl("start", units.SOCKET_UNIT)
    found = doctor(manager)
    assert found.problems() == []
    assert "service manager listens" in found.text("socket")
    assert manager.main_pid(units.DAEMON) == 0


def test_units_that_were_changed_or_removed_are_written_anew(manager: Manager) -> None:
    service(manager, "install")
    daemon, keeper = manager.unit_dir / units.DAEMON, manager.unit_dir / units.KEEPER
    text, pid = daemon.read_text(), manager.main_pid(units.DAEMON)
    manager.write(daemon, text.replace(str(RUNTIMED), "/gone/bin/runtimed"))
    keeper.unlink()
    found = doctor(manager)
    texts = [each["text"] for each in found.all if each["status"] == "problem"]
    assert any("/gone/bin/runtimed, which is not there" in each for each in texts), texts
    assert any("is not what this version" in each for each in texts), texts
    assert any(f"{units.KEEPER} is missing" in each for each in texts), texts
    assert doctor(manager, "--fix").status("service-files") == "fixed"
    assert daemon.read_text() == text
    assert keeper.exists()
    assert manager.main_pid(units.DAEMON) == pid
    assert doctor(manager).problems() == []


def test_files_of_an_older_version_are_told(manager: Manager) -> None:
    service(manager, "install")
    path = manager.unit_dir / units.SLICE
    written = path.read_text()
    head, _, rest = written.partition(";")
    manager.write(path, head.rpartition(" ")[0] + " 0.0.1;" + rest)
    found = doctor(manager)
    assert "0.0.1" in found.text("versions")
    assert "versions" in found.problems()
    assert "versions" not in doctor(manager, "--fix").problems()
    assert path.read_text() == written


def test_a_unit_of_another_product_is_named_and_left(manager: Manager) -> None:
    theirs = "[Service]\nExecStart=/opt/other/runtimed\n"
    path = manager.write(manager.unit_dir / units.DAEMON, theirs)
    found = doctor(manager, "--fix")
    assert found.status("other-products") == "problem"
    assert path.read_text() == theirs


def test_units_in_the_way_have_a_remedy_that_works(manager: Manager) -> None:
    shared = manager.home / ".local/share/systemd/user" / units.DAEMON
    shared.parent.mkdir(parents=True, exist_ok=True)
    manager.write(shared, "[Service]\nExecStart=/opt/other/runtimed\n")
    manager.unit_dir.mkdir(parents=True, exist_ok=True)
    (manager.unit_dir / units.SOCKET_UNIT).symlink_to("/dev/null")
    found = doctor(manager)
    said = {each["text"]: each["remedy"] for each in found.all if each["check"] == "other-products"}
    assert len(said) == 2
    assert any("unmask runtimed.socket" in remedy for remedy in said.values())
    assert any(remedy.startswith("move it away") for remedy in said.values())
    assert not found.worst("service")["remedy"]


def test_what_runs_in_a_login_session_is_named(manager: Manager) -> None:
    env = {"RUNTIMED_MANAGER": "detached"}
    assert manager.runt("start", "python3", "--name", "lab", env=env).returncode == 0
    try:
        found = doctor(manager)
        texts = [each["text"] for each in found.all if each["check"] == "login-session"]
        assert "the daemon and the keeper run in a login session" in texts[0]
        service(manager, "install")
        after = doctor(manager)
        assert "the daemon" not in after.text("login-session")
        assert after.status("service") == "ok"
    finally:
        manager.call("daemon.stop", kernels=True)


def test_a_detached_daemon_beside_the_service_is_told(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    env = {"RUNTIMED_MANAGER": "detached"}
    service(manager, "start", env=env)
    try:
        assert "did not start" in doctor(manager).text("service")
    finally:
        service(manager, "stop", env=env)


def test_linger_is_enabled_with_consent_only(manager: Manager) -> None:
    asked = manager.home / "asked"
    fake = manager.write(
        manager.home / "fakes/loginctl",
        f'#!/bin/sh\necho "$@" >> {asked}\ncase $1 in show-user) cat {manager.home}/linger;;'
        f" *) echo yes > {manager.home}/linger;; esac\n",
        0o755,
    )
    env = {"PATH": f"{fake.parent}:{manager.env['PATH']}"}
    manager.write(manager.home / "linger", "no\n", 0o666)
    found = doctor(manager, "--fix", env=env)
    assert found.status("linger") == "note"
    assert found.worst("linger")["remedy"] == "loginctl enable-linger"
    assert "enable-linger" not in asked.read_text()
    assert doctor(manager, "--fix", "--yes", env=env).status("linger") == "fixed"
    assert doctor(manager, env=env).status("linger") == "ok"


def test_a_service_that_has_failed_is_told(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    manager.write(manager.home / ".config/runtimed/config.toml", "nonsense = 1\n", 0o600)
    manager.systemctl("start", units.DAEMON, check=False)
    found = doctor(manager)
    assert {"service", "settings"} <= set(found.problems())
    assert f"{units.DAEMON} has failed" in found.text("service")
