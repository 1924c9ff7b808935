"""SIGHUP, and settings that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.systemd import Manager


def settings(manager: Manager) -> Path:
    return manager.home / ".config/runtimed/config.toml"


def test_a_reload_reads_the_settings_again(service: Manager) -> None:
    pid = service.main_pid("runtimed.service")
    service.write(settings(service), 'log_level = "DEBUG"\n')
    service.systemctl("reload", "runtimed.service")
    until(lambda: "settings read again" in service.journal("runtimed.service"), "the new settings")
    assert service.main_pid("runtimed.service") == pid
    until(lambda: service.show("runtimed.service", "ActiveState") == "active", "its answer")


def test_a_reload_of_a_bad_file_changes_nothing_and_says_so(service: Manager) -> None:
    pid = service.main_pid("runtimed.service")
    service.write(settings(service), "max_bach = 3\n")
    service.systemctl("reload", "runtimed.service")

    def status() -> str:
        return service.show("runtimed.service", "StatusText")

    until(lambda: "did you mean max_batch?" in status(), "the complaint")
    assert status().startswith("0 runtimes, 0 running, 0 queued; ")
    assert "the settings stay as they are: " in service.journal("runtimed.service")
    assert service.main_pid("runtimed.service") == pid
    service.write(settings(service), "")
    service.systemctl("reload", "runtimed.service")
    until(lambda: status() == "0 runtimes, 0 running, 0 queued", "the end of the complaint")


def test_a_start_with_a_bad_file_fails_once_with_a_sentence(installed: Manager) -> None:
    installed.write(settings(installed), "max_bach = 3\n")
    installed.systemctl("start", "runtimed.service", check=False)
    assert installed.show("runtimed.service", "ActiveState") == "failed"
    assert installed.show("runtimed.service", "NRestarts") == "0"
    said = installed.journal("runtimed.service")
    assert "runtimed: " in said
    assert "did you mean max_batch?" in said
    assert "Traceback" not in said


def test_a_daemon_that_cannot_stay_up_is_given_up(installed: Manager) -> None:
    """Not even by clients that go on connecting is it tried for ever."""
    installed.drop_in("runtimed.service", "[Service]\nExecStartPre=/bin/false\n")
    done = installed.runt("ps")
    assert done.returncode == 5
    until(lambda: installed.show("runtimed.socket", "ActiveState") == "failed", "the end of tries")
    assert installed.show("runtimed.service", "ActiveState") == "failed"
    assert installed.show("runtimed.service", "Result") in ("exit-code", "start-limit-hit")
