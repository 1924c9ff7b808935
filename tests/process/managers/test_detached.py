"""`runt service` where there is no service manager, as in a container."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.managers.waiting import wait_for_exit

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import Runt
    from tests.harness.daemon import State


@pytest.fixture(params=["detached", None], ids=["chosen", "found"])
def nobody(request: pytest.FixtureRequest, state: State) -> None:
    """No manager: because it is said so, or because there is none (nor a runtime directory)."""
    if request.param is None:
        del state.env["RUNTIMED_MANAGER"]
        state.env["XDG_RUNTIME_DIR"] = str(state.root / "none")


def service(runt: Runt, *args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = runt("service", *args)
    assert done.returncode == status, (args, done.stdout, done.stderr)
    return done


def document(runt: Runt) -> dict[str, Any]:
    return dict(json.loads(runt("service", "status", "--json").stdout)["service"])


@pytest.mark.usefixtures("nobody")
def test_the_same_words_do_the_same(runt: Runt, state: State) -> None:
    done = service(runt, "install")
    assert "there is no service manager here" in done.stdout
    assert "started, detached (pid " in done.stdout
    status = document(runt)
    pid = status["daemon"]["pid"]
    assert (status["manager"], status["installed"], status["running"]) == ("detached", False, True)
    assert service(runt, "status", "-q").stdout == f"{pid}\n"
    assert f"runs already, detached (pid {pid})" in service(runt, "start").stdout
    assert runt("eval", "x = 8").returncode == 0
    keeper = document(runt)["keeper"]["pid"]
    done = service(runt, "restart")
    assert "the keeper (pid " in done.stdout
    assert "\nrestarted, detached (pid " in done.stdout
    after = document(runt)
    assert after["daemon"]["pid"] != pid
    assert after["keeper"]["pid"] != keeper
    assert runt("eval", "x").stdout == "8\n"
    assert service(runt, "stop").stdout == "stopped\n1 kernel lives on; --kernels ends them\n"
    service(runt, "status", status=5)
    assert "answering at" in service(runt, "logs").stdout
    assert "started, detached" in service(runt, "start").stdout
    assert runt("eval", "x").stdout == "8\n"
    assert "1 kernel would be left" in service(runt, "uninstall", status=4).stderr
    assert service(runt, "uninstall", "--kernels").stdout.startswith("ended 1 kernel\nstopped\n")
    assert state.dir.exists()
    service(runt, "uninstall", "--purge", "--yes")
    assert not state.dir.exists()


def test_a_lock_that_a_dead_daemon_left_is_no_daemon(runt: Runt, state: State) -> None:
    """Its pid may be anybody's by now: ours, here."""
    state.dir.mkdir(mode=0o700)
    lock = state.dir / "daemon.lock"
    lock.write_text(f"{os.getpid()}\n")
    assert service(runt, "stop").stdout == "it was not running\n"
    assert document(runt)["running"] is False


def test_an_unknown_manager_is_refused(runt: Runt, state: State) -> None:
    state.env["RUNTIMED_MANAGER"] = "upstart"
    done = service(runt, "status", status=5)
    assert "systemd, launchd or detached, not 'upstart'" in done.stderr


def test_one_that_cannot_start_says_why(runt: Runt, state: State, tmp_path: Path) -> None:
    (config := tmp_path / "config.toml").write_text("nonsense = 1\n")
    state.env["RUNTIMED_CONFIG"] = str(config)
    assert "nonsense" in service(runt, "start", status=2).stderr


def test_a_restart_with_settings_that_cannot_be_used_changes_nothing(
    runt: Runt, state: State, tmp_path: Path
) -> None:
    service(runt, "start")
    before = document(runt)["daemon"]
    (config := tmp_path / "config.toml").write_text("nonsense = 1\n")
    state.env["RUNTIMED_CONFIG"] = str(config)
    assert "nothing was changed" in service(runt, "restart", status=2).stderr
    assert document(runt)["daemon"] == before


def test_a_daemon_without_its_keeper_does_not_have_it(runt: Runt) -> None:
    """Status tells a keeper that is there from one that the daemon is connected to."""
    runt("eval", "x = 8")
    keeper = document(runt)["keeper"]
    assert (keeper["hangs"], keeper["connected"]) == (False, True)
    os.kill(keeper["pid"], signal.SIGSTOP)
    try:
        keeper = document(runt)["keeper"]
        assert keeper["hangs"] is True
        assert "does not answer (pid " in runt("service", "status").stdout
    finally:
        os.kill(keeper["pid"], signal.SIGCONT)


def test_another_socket_does_not_take_the_state_away(runt: Runt, state: State) -> None:
    runt("eval", "x = 8")
    first, elsewhere = str(state.socket), str(state.root / "q" / "d.sock")
    done = runt("eval", "x", env={"RUNTIMED_SOCKET": elsewhere})
    assert done.returncode == 5
    assert f"answers at {first}" in done.stderr
    assert runt("eval", "x").stdout == "8\n"


def test_without_keeper_and_with_a_daemon_that_hangs_the_kernels_end(runt: Runt) -> None:
    runt("eval", "x = 8")
    kernel = json.loads(runt("ps", "--json").stdout)["runtimes"][0]["pid"]
    status = document(runt)
    os.kill(status["daemon"]["pid"], signal.SIGSTOP)
    os.kill(status["keeper"]["pid"], signal.SIGKILL)
    done = service(runt, "stop", "--kernels")
    assert "the keeper ended the kernels" in done.stdout
    assert wait_for_exit(kernel, 20)


def test_without_keeper_and_daemon_they_end_too(runt: Runt) -> None:
    runt("eval", "x = 8")
    kernel = json.loads(runt("ps", "--json").stdout)["runtimes"][0]["pid"]
    status = document(runt)
    for name in ("daemon", "keeper"):
        os.kill(status[name]["pid"], signal.SIGKILL)
    assert "ended 1 kernel" in service(runt, "stop", "--kernels").stdout
    assert wait_for_exit(kernel, 20)


def test_a_restart_to_a_socket_that_cannot_be_is_refused(runt: Runt) -> None:
    service(runt, "start")
    before = document(runt)["daemon"]
    done = runt("service", "restart", env={"RUNTIMED_SOCKET": "/proc/nope/o.sock"})
    assert (done.returncode, "/proc/nope cannot be made" in done.stderr) == (5, True)
    assert "nothing was changed" in done.stderr
    assert document(runt)["daemon"] == before


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
def test_so_is_one_to_a_program_that_is_too_old(runt: Runt, state: State, is_running: bool) -> None:
    service(runt, "start")
    if not is_running:
        service(runt, "stop")
    before = document(runt)["daemon"]
    with contextlib.closing(sqlite3.connect(state.files.database)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version + 1000}")
    done = service(runt, "restart", status=5)
    assert f"the database has schema {version + 1000}, this runtimed knows" in done.stderr
    assert "nothing was changed" in done.stderr
    assert document(runt)["daemon"] == before
    with contextlib.closing(sqlite3.connect(state.files.database)) as db:
        db.execute(f"PRAGMA user_version = {version}")
    service(runt, "restart")
