"""`runt service` against a stand-in for launchctl, with the real daemon and keeper behind it."""

from __future__ import annotations

import json
import os
import plistlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import launchd, plists
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.handover import KeeperStays
from runtimed.managers.instance import current
from runtimed.managers.waiting import wait_for_exit
from tests.harness import daemon as harness

if TYPE_CHECKING:
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


def settings(mac: Mac) -> Path:
    """Write settings that cannot be used."""
    path = Path(harness.runt(mac.state, "config", "path").stdout.strip())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no_such = 1\n")
    return path


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
    keeper.write_text(old.replace("<integer>10</integer>", "<integer>9</integer>"))
    mac.asked()
    assert "handed its kernels over" in mac.service("install").stdout
    assert mac.asked()[:2] == [f"kill SIGHUP {KEEPER}", f"bootout {KEEPER}"]
    assert keeper.read_text() == old
    assert harness.runt(mac.state, "eval", "x").stdout == "7\n"


def test_a_keeper_that_hands_nothing_over_detaches(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """launchd sends one SIGTERM, and then nothing until it kills."""
    mac.service("install")
    harness.runt(mac.state, "eval", "x = 7")
    keeper = mac.plist(plists.KEEPER)
    old = keeper.read_text()
    keeper.write_text(old.replace("<integer>10</integer>", "<integer>9</integer>"))
    mac.asked()

    def refuse(*_: object) -> None:
        raise KeeperStays(1, "not today")

    with monkeypatch.context() as patched:
        patched.setattr(launchd, "hand_over", refuse)
        done = mac.manager(patched).install()
    assert any("the keeper stays what it was (pid 1): not today" in text for text in done)
    assert mac.asked()[0] == f"bootout {KEEPER}"
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
    path = settings(mac)
    before = mac.status()["daemon"]
    assert "nothing was changed" in mac.service("restart", status=2).stderr
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


# What is somebody else's


@pytest.fixture
def other(mac: Mac) -> dict[str, str]:
    """The environment of another instance; the first one's service is installed, with a kernel."""
    mac.service("install")
    harness.runt(mac.state, "eval", "x = 7")
    mac.asked()
    root = mac.state.root
    return {"RUNTIMED_STATE_DIR": str(root / "o"), "RUNTIMED_SOCKET": str(root / "q" / "d.sock")}


def plists_of(mac: Mac) -> list[str]:
    return [mac.plist(label).read_text() for label in plists.LABELS]


@pytest.mark.parametrize("verb", ["stop", "uninstall", "start", "restart", "install"])
def test_another_instances_service_is_left_alone(
    mac: Mac, other: dict[str, str], verb: str
) -> None:
    before, daemon = plists_of(mac), mac.status()["daemon"]
    done = harness.runt(mac.state, "service", verb, env=other)
    expected = {
        "stop": (0, "it was not running"),
        "uninstall": (0, "it was not installed"),
        "start": (5, "is not installed"),
        "restart": (5, "is not installed"),
        "install": (4, "another state directory"),
    }
    status, text = expected[verb]
    assert (done.returncode, text in done.stdout + done.stderr) == (status, True), done
    assert mac.asked() == []
    assert (plists_of(mac), mac.status()["daemon"]) == (before, daemon)
    assert harness.runt(mac.state, "eval", "x").stdout == "7\n"


@pytest.mark.parametrize("verb", ["eval", "stop", "restart"])
def test_another_socket_does_not_take_the_state_away(mac: Mac, verb: str) -> None:
    mac.service("install")
    daemon = mac.status()["daemon"]
    socket = str(mac.state.root / "q" / "d.sock")
    words = ("eval", "1") if verb == "eval" else ("service", verb)
    done = harness.runt(mac.state, *words, env={"RUNTIMED_SOCKET": socket})
    assert done.returncode == (5 if verb == "eval" else 4)
    assert socket in done.stderr
    assert f"answers at {mac.state.socket}" in done.stderr
    assert mac.status()["daemon"] == daemon


def test_another_products_job_of_the_name_is_left_alone(mac: Mac) -> None:
    path = mac.state.root / "theirs.plist"
    path.write_bytes(plistlib.dumps({"Label": plists.DAEMON}))
    job = mac.directory / f"{plists.DAEMON}.json"
    job.write_text(json.dumps({"path": str(path), "pid": 0, "leaves": False}))
    assert str(path) in mac.service("install", status=4).stderr
    mac.service("uninstall")
    assert job.exists()
    assert mac.asked() == []


# What launchd does by itself


def test_unloaded_by_launchd_the_keeper_leaves_and_its_kernels_stay(mac: Mac) -> None:
    mac.service("install")
    harness.runt(mac.state, "eval", "x = 7")
    pid = mac.status()["keeper"]["pid"]  # type: ignore[index]
    subprocess.run(["launchctl", "bootout", KEEPER], env=mac.state.env, check=False)
    assert wait_for_exit(pid, 20)
    assert harness.runt(mac.state, "eval", "x").stdout == "7\n"


def test_a_daemon_that_cannot_start_is_not_tried_for_ever(mac: Mac) -> None:
    """launchd starts again what ends with another status than 0."""
    mac.service("install")
    mac.service("stop")
    path = settings(mac)
    plist = plistlib.loads(mac.plist(plists.DAEMON).read_bytes())
    done = subprocess.run(
        plist["ProgramArguments"],
        env=plist["EnvironmentVariables"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "no_such" in done.stderr) == (0, True)
    path.unlink()


@pytest.mark.parametrize("verb", ["install", "start", "restart"])
def test_what_could_not_start_is_not_started(mac: Mac, verb: str) -> None:
    mac.service("install")
    mac.service("stop")
    mac.asked()
    path = settings(mac)
    assert "no_such" in mac.service(verb, status=2).stderr
    assert mac.asked() == []
    path.unlink()


def test_what_starts_and_ends_says_why(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the trial went well, and the start did not."""
    mac.service("install")
    mac.service("stop")
    path = settings(mac)
    with monkeypatch.context() as patched:
        patched.setattr(launchd, "try_out", lambda *_: None)
        with pytest.raises(ServiceFailure, match=r"the daemon has ended:\n.*no_such"):
            mac.manager(patched).start()
    path.unlink()


def test_a_socket_that_would_not_be_safe_is_refused_first(mac: Mac) -> None:
    mac.state.socket.parent.mkdir(mode=0o755)
    assert "has mode 0755" in mac.service("install", status=7).stderr
    assert not mac.plist(plists.DAEMON).exists()
    mac.state.socket.parent.chmod(0o700)
