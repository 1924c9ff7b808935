"""Whose service it is: places make an instance, and a settings' file does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.managers import units
from tests.process.managers.test_failing import DETACHED, evaluate, service

if TYPE_CHECKING:
    from tests.harness.systemd import Manager


def test_another_settings_file_is_no_other_service(manager: Manager) -> None:
    service(manager, "install")
    evaluate(manager, "x = 5")
    other = str(manager.write(manager.home / "o.toml", 'log_level = "debug"\n'))
    env = {"RUNTIMED_CONFIG": other}
    said = f"its settings are those of the usual file, and not of {other}"
    for verb in ("start", "restart", "stop"):
        done = service(manager, verb, env=env)
        assert said in done.stdout
        assert "was not running" not in done.stdout
    assert manager.main_pid(units.DAEMON) == 0
    done = service(manager, "install", env=env)
    assert f"its settings are those of {other}, no longer those of its usual place" in done.stdout
    assert other in manager.show(units.DAEMON, "Environment")
    # From now on whoever does not say otherwise means that one, too.
    assert "wrote" not in service(manager, "install").stdout
    service(manager, "restart")
    assert other in manager.show(units.DAEMON, "Environment")
    assert evaluate(manager, "x")[0] == "5"


def test_a_daemon_that_answers_elsewhere_does_not_hang(manager: Manager) -> None:
    evaluate(manager, "x = 5", env=DETACHED)
    other = DETACHED | {"RUNTIMED_SOCKET": str(manager.home / "r" / "d.sock")}
    done = service(manager, "status", status=5, env=other)
    assert "answers at" in done.stdout
    assert "does not answer" not in done.stdout
    done = service(manager, "start", status=5, env=other)
    assert f"answers at {manager.socket}, and not at {other['RUNTIMED_SOCKET']}" in done.stderr
    assert evaluate(manager, "x", env=DETACHED)[0] == "5"
    service(manager, "stop", "--kernels", env=DETACHED)


def test_the_log_of_another_instance_is_its_own(manager: Manager) -> None:
    service(manager, "install")
    other = {
        "RUNTIMED_STATE_DIR": str(manager.home / "o"),
        "RUNTIMED_SOCKET": str(manager.home / "r" / "d.sock"),
    }
    manager.journal()
    done = service(manager, "logs", env=other)
    assert "answering at" not in done.stdout
    assert f"not installed for {manager.home}/o" in done.stderr
    assert "answering at" in service(manager, "logs").stdout
