"""`runt service` with a real ``systemd --user``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.managers import units
from tests.harness.systemd import RUNTIMED, USER_IDS, USERS, Manager

if TYPE_CHECKING:
    import subprocess


def service(
    manager: Manager, *args: str, status: int = 0, **more: Any
) -> subprocess.CompletedProcess[str]:
    done = manager.runt("service", *args, **more)
    assert done.returncode == status, (args, done.stdout, done.stderr, manager.journal())
    return done


def document(manager: Manager, **more: Any) -> dict[str, Any]:
    done = manager.runt("service", "status", "--json", **more)
    return dict(json.loads(done.stdout)["service"])


def evaluate(manager: Manager, code: str, **more: Any) -> str:
    done = manager.runt("eval", code, **more)
    assert done.returncode == 0, (done.stdout, done.stderr, manager.journal())
    return done.stdout.strip()


def program(manager: Manager, name: str, text: str) -> dict[str, str]:
    """Put a program before all others on the PATH; return the environment that has it so."""
    path = manager.write(manager.home / "fakes" / name, f"#!/bin/sh\n{text}\n", 0o755)
    return {"PATH": f"{path.parent}:{manager.env['PATH']}"}


def test_a_service_that_was_tried_too_often_starts_once_it_is_mended(manager: Manager) -> None:
    service(manager, "install")
    setting = manager.write(manager.home / ".config/runtimed/config.toml", "no_such = 1\n")
    manager.systemctl("stop", units.DAEMON, check=False)
    for _ in range(12):  # more than StartLimitBurst
        manager.systemctl("start", units.DAEMON, check=False)
    assert manager.show(units.DAEMON, "Result") in ("start-limit-hit", "exit-code")
    setting.unlink()
    service(manager, "start")
    assert evaluate(manager, "6 * 7") == "42"


@pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)
def test_from_install_to_uninstall(manager: Manager) -> None:
    done = service(manager, "install")
    assert f"wrote {manager.unit_dir}/runtimed.service" in done.stdout
    assert "started (pid " in done.stdout
    status = document(manager)
    daemon = manager.main_pid(units.DAEMON)
    assert status["daemon"]["pid"] == daemon != 0
    assert status["keeper"]["pid"] == manager.main_pid(units.KEEPER) != 0
    assert {status[name]["version"] for name in ("daemon", "keeper")} == {status["version"]}
    assert (status["manager"], status["installed"], status["enabled"]) == ("systemd", True, True)
    assert status["program"] == str(RUNTIMED)
    assert {file["state"] for file in status["files"]} == {"current"}
    assert manager.systemctl("is-enabled", units.DAEMON, units.SOCKET_UNIT).split() == [
        "enabled",
        "enabled",
    ]
    assert service(manager, "status", "-q").stdout.split() == [str(daemon)]

    assert "wrote" not in (again := service(manager, "install").stdout)
    assert f"runs already (pid {daemon})" in again
    assert evaluate(manager, "x = 3; x") == "3"

    assert service(manager, "stop").stdout == "stopped\n1 kernel lives on; --kernels ends them\n"
    assert service(manager, "status", status=5).stdout.count("not running") == 1
    assert "it was not running" in service(manager, "stop").stdout
    assert "started (pid " in service(manager, "start").stdout
    assert evaluate(manager, "x") == "3"

    refused = service(manager, "uninstall", status=4)
    assert "1 kernel would be left without a keeper" in refused.stderr
    assert document(manager)["running"]
    done = service(manager, "uninstall", "--kernels")
    assert done.stdout.startswith("ended 1 kernel\nstopped\nremoved ")
    assert [path.name for path in manager.unit_dir.glob("runtimed*")] == []
    assert not manager.systemctl("list-units", "--all", "--plain", "--no-legend", "runtimed*")
    assert (manager.state_dir / "runtimed.db").exists()
    assert "it was not installed" in service(manager, "uninstall").stdout
    service(manager, "uninstall", "--purge", status=2)
    service(manager, "uninstall", "--purge", "--yes")
    assert not manager.state_dir.exists()
    assert not list(manager.runtime_dir.glob("runtimed/*"))


def test_before_an_install_start_says_what_comes_first(manager: Manager) -> None:
    assert "`runt service install`" in service(manager, "start", status=5).stderr
    assert "`runt service install`" in service(manager, "restart", status=5).stderr
    assert "it was not running" in service(manager, "stop").stdout


def test_units_that_differ_are_written_anew(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    path = manager.unit_dir / units.DAEMON
    text = path.read_text()
    manager.write(path, text.replace(str(RUNTIMED), "/gone/bin/runtimed"))
    assert {"path": str(path), "state": "differs", "version": document(manager)["version"]} in (
        document(manager)["files"]
    )
    # Its environment has moved away: whoever needs the daemon next has the unit written anew.
    assert evaluate(manager, "1") == "1"
    assert path.read_text() == text
    assert manager.main_pid(units.DAEMON)


@pytest.mark.parametrize("unit", [units.DAEMON, units.SLICE])
def test_a_unit_of_another_product_is_left_alone(manager: Manager, unit: str) -> None:
    theirs = "[Service]\nExecStart=/opt/other/runtimed\n"
    path = manager.write(manager.unit_dir / unit, theirs)
    done = service(manager, "install", status=4)
    assert f"{path} is not ours (ExecStart=/opt/other/runtimed)" in done.stderr
    service(manager, "uninstall")
    assert path.read_text() == theirs
    assert [found.name for found in manager.unit_dir.iterdir()] == [unit]


def test_a_unit_that_somebody_has_replaced_since_is_left_alone(manager: Manager) -> None:
    service(manager, "install")
    path = manager.write(manager.unit_dir / units.SOCKET_UNIT, "[Socket]\nListenStream=/x\n")
    assert "is not ours (ListenStream=/x)" in service(manager, "start", status=4).stderr
    service(manager, "uninstall")
    assert [found.name for found in manager.unit_dir.glob("runtimed*")] == [path.name]


def test_a_unit_that_lies_elsewhere_is_seen(manager: Manager) -> None:
    elsewhere = manager.home / ".local/share/systemd/user" / units.DAEMON
    manager.write(elsewhere, "[Service]\nExecStart=/opt/other/runtimed\n")
    manager.systemctl("daemon-reload")
    assert str(elsewhere) in service(manager, "install", status=4).stderr


def test_a_masked_unit_stays_masked(manager: Manager) -> None:
    manager.systemctl("mask", units.DAEMON)
    assert "unmask" in service(manager, "install", status=4).stderr


def test_linger_is_offered_and_turned_on(manager: Manager) -> None:
    asked = manager.home / "asked"
    env = program(
        manager,
        "loginctl",
        f'echo "$@" >> {asked}\ncase $1 in show-user) cat {manager.home}/linger;;'
        f" *) echo yes > {manager.home}/linger;; esac",
    )
    manager.write(manager.home / "linger", "no\n", 0o666)
    done = service(manager, "install", env=env)
    assert "at logout the service ends" in done.stdout
    assert "`loginctl enable-linger`" in done.stdout
    assert "enable-linger" not in asked.read_text()
    assert document(manager, env=env)["linger"] is False
    assert "lives on after logout" in service(manager, "install", "--linger", env=env).stdout
    assert asked.read_text().splitlines()[-1] == "enable-linger"
    assert document(manager, env=env)["linger"] is True
    assert "logout" not in service(manager, "install", env=env).stdout


def test_two_instances_do_not_meet(manager: Manager) -> None:
    """The service is the user's own; one with another state directory is transient, and stays."""
    service(manager, "install")
    other = {
        "RUNTIMED_STATE_DIR": str(manager.home / "o"),
        "RUNTIMED_SOCKET": str(manager.home / "r" / "d.sock"),
    }
    assert evaluate(manager, "x = 'other'; x", env=other) == "'other'"
    theirs = document(manager, env=other)
    assert theirs["installed"] is False
    assert theirs["daemon"]["pid"] not in (None, document(manager)["daemon"]["pid"])
    assert "another state directory" in service(manager, "install", status=4, env=other).stderr
    service(manager, "uninstall", "--kernels", env=other)
    assert document(manager, env=other)["running"] is False
    assert document(manager)["running"] is True


def test_installed_for_other_places_it_is_found_there(manager: Manager) -> None:
    other = {
        "RUNTIMED_STATE_DIR": str(manager.home / "my state 100%"),
        "RUNTIMED_SOCKET": str(manager.home / "my %h" / "d.sock"),
    }
    service(manager, "install", env=other)
    assert evaluate(manager, "'there'", env=other) == "'there'"
    status = document(manager, env=other)
    assert status["daemon"]["pid"] == manager.main_pid(units.DAEMON)
    assert (manager.home / "my state 100%" / "runtimed.db").exists()
    service(manager, "stop", "--kernels", env=other)
    assert evaluate(manager, "'again'", env=other) == "'again'"
    assert manager.main_pid(units.DAEMON)


# Without an install


def transient(manager: Manager) -> dict[str, int]:
    names = "runtimed-auto.service", "runtimed-auto-keeper.service"
    return {name: manager.main_pid(name) for name in names}


@pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)
def test_what_a_call_starts_is_the_managers_and_not_the_sessions(manager: Manager) -> None:
    assert evaluate(manager, "x = 4") == ""
    daemon, keeper = transient(manager).values()
    status = document(manager)
    assert (status["daemon"]["pid"], status["keeper"]["pid"]) == (daemon, keeper)
    assert (status["installed"], status["manager"]) == (False, "systemd")
    assert manager.show("runtimed-auto.service", "Slice") == units.SLICE
    assert service(manager, "stop").stdout == "stopped\n1 kernel lives on; --kernels ends them\n"
    assert evaluate(manager, "x") == "4"
    assert service(manager, "stop", "--kernels").stdout == "ended 1 kernel\nstopped\n"
    assert set(transient(manager).values()) == {0}


def twenty_calls(manager: Manager) -> None:
    calls = [manager.popen(RUNTIMED.with_name("runt"), "environments", "-q") for _ in range(20)]
    assert [call.wait(120) for call in calls] == [0] * 20


def test_twenty_calls_at_once_start_one(manager: Manager) -> None:
    twenty_calls(manager)
    assert manager.journal("runtimed-auto.service").count("answering at ") == 1


def test_twenty_calls_at_once_start_the_installed_one(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    twenty_calls(manager)
    assert manager.journal(units.DAEMON).count("answering at ") == 2
    assert set(transient(manager).values()) == {0}


def test_where_systemd_run_fails_it_runs_detached_and_says_why(manager: Manager) -> None:
    env = program(manager, "systemd-run", "echo no units today >&2; exit 1")
    assert evaluate(manager, "2", env=env) == "2"
    assert set(transient(manager).values()) == {0}
    log = (manager.state_dir / "runtimed.log").read_text()
    assert "started detached" in log
    assert "no units today" in log
    # What runs detached can be stopped by the same words.
    assert "stopped" in service(manager, "stop", "--kernels", env=env).stdout
    assert not document(manager)["running"]


def test_a_daemon_that_cannot_start_says_so_to_who_called(manager: Manager) -> None:
    (config := manager.home / "config.toml").write_text("nonsense = 1\n")
    os.chown(config, manager.uid, manager.gid)
    done = manager.runt("eval", "1", env={"RUNTIMED_CONFIG": str(config)})
    assert done.returncode == 5
    assert "nonsense" in done.stderr
    assert set(transient(manager).values()) == {0}


def test_logs_are_the_journals(manager: Manager) -> None:
    service(manager, "install")
    manager.journal()  # waits until all is written
    logs = json.loads(service(manager, "logs", "--json").stdout)["logs"]
    assert any("answering at " in entry["message"] for entry in logs)
    assert all(entry["at"].endswith("Z") for entry in logs)
    assert {"runtimed", "runtimed-keeper"} <= {entry["identifier"] for entry in logs}
    assert len(service(manager, "logs", "-n", "2").stdout.splitlines()) == 2
