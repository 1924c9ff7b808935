"""`runt service` against a stand-in for launchctl, with the real daemon and keeper behind it."""

from __future__ import annotations

import json
import os
import plistlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import launchd, plists
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.handover import KeeperStays
from runtimed.managers.instance import current
from tests.harness import daemon as harness

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

STAND_IN = Path(__file__).parents[2] / "harness" / "fake_launchctl.py"
UID = os.getuid()
DAEMON = f"gui/{UID}/{plists.DAEMON}"
KEEPER = f"gui/{UID}/{plists.KEEPER}"


class Mac:
    """A user whose service manager is launchd."""

    def __init__(self, state: harness.State) -> None:
        self.state = state
        self.directory = state.root / "launchd"
        self.directory.mkdir()
        programs = state.root / "bin"
        programs.mkdir()
        launchctl = programs / "launchctl"
        launchctl.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        launchctl.chmod(0o755)
        state.env |= {
            "RUNTIMED_MANAGER": "launchd",
            "FAKE_LAUNCHD": str(self.directory),
            "PATH": f"{programs}:{state.env['PATH']}",
        }

    def service(self, *args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = harness.runt(self.state, "service", *args)
        assert done.returncode == status, (args, done.stdout, done.stderr, self.logs())
        return done

    def manager(self, monkeypatch: pytest.MonkeyPatch) -> launchd.Launchd:
        """Return what `runt service` uses, in this process."""
        for name, value in self.state.env.items():
            monkeypatch.setenv(name, value)
        return launchd.Launchd(current())

    def asked(self) -> list[str]:
        """Return what launchctl was asked to do, and forget it; looks are left out."""
        path = self.directory / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith("print")]

    def plist(self, label: str) -> Path:
        return self.state.home / "Library" / "LaunchAgents" / f"{label}.plist"

    def logs(self) -> str:
        found = (self.state.home / "Library/Logs/runtimed").glob("*.log")
        return "\n".join(path.read_text() for path in found)

    def status(self) -> dict[str, object]:
        done = harness.runt(self.state, "service", "status", "--json")
        return dict(json.loads(done.stdout)["service"])


@pytest.fixture
def mac(state: harness.State) -> Iterator[Mac]:
    mac = Mac(state)
    yield mac
    harness.runt(state, "service", "uninstall", "--kernels")


def test_install_writes_loads_and_starts_both_jobs(mac: Mac) -> None:
    done = mac.service("install")
    assert "started (pid " in done.stdout
    assert mac.asked() == [
        line
        for target, label in ((KEEPER, plists.KEEPER), (DAEMON, plists.DAEMON))
        for line in (f"enable {target}", f"bootstrap gui/{UID} {mac.plist(label)}")
    ]
    for label in plists.LABELS:
        plist = plistlib.loads(mac.plist(label).read_bytes())
        assert list(plists.faults(plist)) == []
    status = mac.status()
    assert (status["manager"], status["installed"], status["running"]) == ("launchd", True, True)
    assert {file["state"] for file in status["files"]} == {"current"}  # type: ignore[attr-defined]
    assert harness.runt(mac.state, "eval", "6 * 7").stdout == "42\n"


def test_installed_again_nothing_changes(mac: Mac) -> None:
    mac.service("install")
    mac.asked()
    assert "runs already" in mac.service("install").stdout
    assert mac.asked() == []


def test_without_a_screen_it_is_the_other_domain(mac: Mac) -> None:
    (mac.directory / "no-gui").touch()
    mac.service("install")
    assert f"bootstrap user/{UID} {mac.plist(plists.DAEMON)}" in mac.asked()


def test_an_older_plist_is_written_anew_and_its_job_leaves_first(mac: Mac) -> None:
    mac.service("install")
    old = mac.plist(plists.DAEMON).read_text()
    mac.plist(plists.DAEMON).write_text(
        old.replace("<integer>30</integer>", "<integer>9</integer>")
    )
    assert mac.status()["files"][-1]["state"] == "differs"  # type: ignore[index]
    mac.asked()
    done = mac.service("start")
    assert f"wrote {mac.plist(plists.DAEMON)}" in done.stdout
    assert mac.plist(plists.DAEMON).read_text() == old
    assert mac.asked() == [
        f"bootout {DAEMON}",
        f"enable {DAEMON}",
        f"bootstrap gui/{UID} {mac.plist(plists.DAEMON)}",
    ]


def test_stop_leaves_the_kernels_and_start_finds_them(mac: Mac) -> None:
    mac.service("install")
    harness.runt(mac.state, "eval", "x = 5")
    done = mac.service("stop")
    assert done.stdout == "stopped\n1 kernel lives on; --kernels ends them\n"
    assert mac.status()["running"] is False
    mac.service("status", status=5)
    assert "it was not running" in mac.service("stop").stdout
    mac.service("start")
    assert harness.runt(mac.state, "eval", "x").stdout == "5\n"


def test_a_call_starts_what_is_installed(mac: Mac) -> None:
    mac.service("install")
    mac.service("stop")
    mac.asked()
    assert harness.runt(mac.state, "eval", "1").returncode == 0
    assert f"bootstrap gui/{UID} {mac.plist(plists.DAEMON)}" in mac.asked()
    assert mac.status()["units"][-1]["state"] == "running"  # type: ignore[index]


def test_where_nothing_is_installed_a_call_starts_it_detached(mac: Mac) -> None:
    assert harness.runt(mac.state, "eval", "1").returncode == 0
    assert mac.asked() == []
    assert mac.status()["installed"] is False
    mac.service("start", status=5)


def test_a_detached_daemon_is_taken_over(mac: Mac) -> None:
    harness.runt(mac.state, "eval", "x = 7")
    done = mac.service("install")
    assert "in place of the one that ran" in done.stdout
    assert harness.runt(mac.state, "eval", "x").stdout == "7\n"


def test_a_keeper_with_kernels_hands_over_before_its_plist_changes(mac: Mac) -> None:
    mac.service("install")
    harness.runt(mac.state, "eval", "x = 7")
    keeper = mac.plist(plists.KEEPER)
    old = keeper.read_text()
    keeper.write_text(old.replace("<integer>1</integer>", "<integer>9</integer>"))
    mac.asked()
    assert "handed its kernels over" in mac.service("install").stdout
    assert mac.asked()[:2] == [f"kill SIGHUP {KEEPER}", f"bootout {KEEPER}"]
    assert keeper.read_text() == old
    assert harness.runt(mac.state, "eval", "x").stdout == "7\n"


def test_a_keeper_that_hands_nothing_over_detaches(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """launchd sends one SIGTERM, which a keeper with kernels does not heed."""
    mac.service("install")
    harness.runt(mac.state, "eval", "x = 7")
    keeper = mac.plist(plists.KEEPER)
    old = keeper.read_text()
    keeper.write_text(old.replace("<integer>1</integer>", "<integer>9</integer>"))
    mac.asked()

    def refuse(*_: object) -> None:
        raise KeeperStays(1, "not today")

    with monkeypatch.context() as patched:
        patched.setattr(launchd, "hand_over", refuse)
        done = mac.manager(patched).install()
    assert any("the keeper stays what it was (pid 1): not today" in text for text in done)
    assert mac.asked()[:2] == [f"kill SIGTERM {KEEPER}", f"bootout {KEEPER}"]
    assert keeper.read_text() == old
    assert harness.runt(mac.state, "eval", "x").stdout == "7\n"


def test_a_plist_is_not_written_while_its_job_is_there(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac.service("install")
    path = mac.plist(plists.DAEMON)
    differs = path.read_text().replace("<integer>30</integer>", "<integer>9</integer>")
    path.write_text(differs)
    pid = mac.status()["daemon"]["pid"]  # type: ignore[index]
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(launchd, "GONE_S", 0.2)
            with pytest.raises(ServiceFailure, match="has not let go"):
                mac.manager(patched).install()
        assert path.read_text() == differs
    finally:
        os.kill(pid, signal.SIGCONT)


def test_settings_that_cannot_be_used_restart_nothing(mac: Mac) -> None:
    mac.service("install")
    path = Path(harness.runt(mac.state, "config", "path").stdout.strip())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no_such = 1\n")
    before = mac.status()["daemon"]
    assert "nothing was restarted" in mac.service("restart", status=2).stderr
    assert mac.status()["daemon"] == before
    path.unlink()
    mac.service("restart")


def test_purged_its_logs_go_too(mac: Mac) -> None:
    mac.service("install")
    logs = mac.state.home / "Library/Logs/runtimed"
    assert (logs / "daemon.log").exists()
    mac.service("uninstall", "--purge", "--yes")
    assert not logs.exists()


def test_uninstall_removes_what_it_has_written_and_nothing_else(mac: Mac) -> None:
    mac.service("install")
    strange = mac.plist("org.example")
    strange.write_text("theirs")
    mac.service("uninstall", "--kernels")
    assert sorted(strange.parent.iterdir()) == [strange]
    assert Path(mac.state.files.database).exists()
    assert "it was not installed" in mac.service("uninstall").stdout


def test_a_plist_of_another_product_is_left_alone(mac: Mac) -> None:
    theirs = mac.plist(plists.DAEMON)
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(plistlib.dumps({"Label": "x", "ProgramArguments": ["/opt/other/runtimed"]}))
    before = theirs.read_bytes()
    done = mac.service("install", status=4)
    assert "/opt/other/runtimed" in done.stderr
    assert theirs.read_bytes() == before
    assert not mac.plist(plists.KEEPER).exists()
    mac.service("uninstall")
    assert theirs.read_bytes() == before


def test_logs_are_those_of_the_files(mac: Mac) -> None:
    mac.service("install")
    entries = json.loads(mac.service("logs", "--json").stdout)["logs"]
    assert any("answering at " in entry["message"] for entry in entries)
