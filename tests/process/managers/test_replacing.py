"""What is put in place of keeper and daemon: it is tried first, and what hangs is replaced."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import units
from runtimed.managers.waiting import wait_for_exit
from tests.harness.systemd import RUNTIMED
from tests.process.daemon.adoption.waiting import until
from tests.process.managers.test_failing import environment, evaluate, executable, service

if TYPE_CHECKING:
    from tests.harness.systemd import Manager


@pytest.fixture
def busy(manager: Manager) -> Manager:
    """The service, installed, with a kernel."""
    service(manager, "install")
    evaluate(manager, "x = 5")
    return manager


def pids(manager: Manager) -> tuple[int, int]:
    return manager.main_pid(units.DAEMON), manager.main_pid(units.KEEPER)


# A reload of the keeper


@pytest.mark.parametrize("is_gone", [False, True], ids=["there", "gone"])
def test_a_reload_starts_the_program_of_the_unit(manager: Manager, is_gone: bool) -> None:
    old, new = environment(manager, "a"), environment(manager, "b")
    assert manager.run(old / "runt", "service", "install").returncode == 0
    assert manager.run(old / "runt", "eval", "x = 5").returncode == 0
    runtime = manager.run(old / "runt", "ps", "-q").stdout.strip()
    done = manager.run(new / "runt", "service", "install")
    assert "`runt service restart` moves it to what is new" in done.stdout, done.stderr
    if is_gone:
        old.parent.rename(manager.home / "away")
    manager.systemctl("reload", units.KEEPER)
    assert executable(manager.main_pid(units.KEEPER)).startswith(str(new))
    assert manager.show(units.KEEPER, "ActiveState") == "active"
    assert manager.show(units.KEEPER, "NRestarts") == "0"
    assert manager.run(new / "runt", "eval", "--runtime", runtime, "x").stdout == "5\n"


def test_a_reload_that_comes_to_nothing_fails_with_the_reason(busy: Manager) -> None:
    keeper = busy.main_pid(units.KEEPER)
    (busy.state_dir / "keeper.successor").mkdir()
    failed = busy.run("systemctl", "--user", "reload", units.KEEPER)
    assert failed.returncode != 0
    assert f"the keeper stays what it was (pid {keeper})" in busy.journal(units.KEEPER)
    (busy.state_dir / "keeper.successor").rmdir()
    assert busy.main_pid(units.KEEPER) == keeper
    assert evaluate(busy, "x")[0] == "5"


# A keeper that hangs


def test_a_keeper_that_was_stopped_goes_on_and_hands_over(busy: Manager) -> None:
    keeper = busy.main_pid(units.KEEPER)
    os.kill(keeper, signal.SIGSTOP)
    said = service(busy, "status").stdout
    assert f"does not answer (pid {keeper}); `runt service restart`" in said
    assert f"handed its kernels over (pid {keeper} to " in service(busy, "restart").stdout
    assert evaluate(busy, "x")[0] == "5"


def test_a_keeper_that_answers_to_nobody_is_replaced(busy: Manager) -> None:
    """It stops again each time that it is told to go on, as one does that a debugger holds."""
    keeper = busy.main_pid(units.KEEPER)
    holding = busy.popen(
        *("sh", "-c", "while kill -STOP $KEEPER 2>/dev/null; do sleep 0.01; done"),
        env={"KEEPER": str(keeper)},
    )
    try:
        done = service(busy, "restart")
    finally:
        holding.wait(60)
    assert "did not answer and was killed; its kernels live on" in done.stdout
    assert busy.main_pid(units.KEEPER) not in (0, keeper)
    assert evaluate(busy, "x")[0] == "5"


def test_systemd_replaces_a_keeper_that_stands_still(manager: Manager) -> None:
    manager.drop_in(units.KEEPER, "[Service]\nWatchdogSec=1s\n")
    service(manager, "install")
    evaluate(manager, "x = 5")
    manager.systemctl("reload", units.KEEPER)
    # The watchdog is fed by the successor, too.
    keeper = manager.main_pid(units.KEEPER)
    assert not wait_for_exit(keeper, 3)
    os.kill(keeper, signal.SIGSTOP)
    assert wait_for_exit(keeper, 60)
    until(lambda: manager.main_pid(units.KEEPER) not in (0, keeper), "the next keeper")
    assert evaluate(manager, "x")[0] == "5"


# What could not start


def test_a_program_that_cannot_start_is_not_put_in_its_place(busy: Manager) -> None:
    before, unit = pids(busy), (busy.unit_dir / units.DAEMON).read_text()
    new = environment(busy, "b")
    broken = "import sys\nfrom runtimed.main import main\n"
    broken += 'sys.modules["apsw"] = None\nsys.exit(main())\n'
    busy.write(new / "runtimed", f"#!{new / 'python'}\n{broken}", 0o755)
    done = busy.run(new / "runt", "service", "restart")
    assert (done.returncode, "apsw" in done.stderr) == (5, True), done.stderr
    assert "nothing was changed" in done.stderr
    assert (pids(busy), (busy.unit_dir / units.DAEMON).read_text()) == (before, unit)


@pytest.mark.parametrize("how", ["manager", "drop-in", "file", "program"])
def test_so_are_settings_of_the_managers_own(busy: Manager, how: str) -> None:
    before = pids(busy)
    if how == "manager":
        busy.systemctl("set-environment", 'RUNTIMED_LOG_LEVEL=it\'s\n"NOPE" é')
    elif how == "file":
        path = busy.write(busy.home / "a b.env", 'RUNTIMED_LOG_LEVEL="a NOPE"\n')
        busy.drop_in(units.DAEMON, f"[Service]\nEnvironmentFile={path}\n")
    elif how == "program":
        starts = f"/usr/bin/env RUNTIMED_LOG_LEVEL=NOPE {RUNTIMED} --take-over"
        busy.drop_in(units.DAEMON, f"[Service]\nExecStart=\nExecStart={starts}\n")
    else:
        busy.drop_in(units.DAEMON, '[Service]\nEnvironment="RUNTIMED_LOG_LEVEL=a NOPE"\n')
    for verb in ("restart", "install", "start"):
        done = service(busy, verb, status=2)
        assert "RUNTIMED_LOG_LEVEL" in done.stderr
        assert "NOPE" in done.stderr
    assert pids(busy) == before


def test_a_start_that_fails_all_the_same_says_why(busy: Manager) -> None:
    busy.drop_in(units.DAEMON, "[Service]\nExecStartPre=/bin/sh -c 'echo not today; exit 1'\n")
    assert "not today" in service(busy, "restart", status=5).stderr


# The state directory of a service that answers elsewhere


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_another_socket_does_not_take_the_state_away(busy: Manager, is_stopped: bool) -> None:
    env = {"RUNTIMED_SOCKET": str(busy.home / "r" / "d.sock")}
    if is_stopped:
        service(busy, "stop")
    before = pids(busy)
    done = busy.runt("eval", "1", env=env)
    assert done.returncode == 5
    assert env["RUNTIMED_SOCKET"] in done.stderr
    assert f"answers at {busy.socket}" in done.stderr
    for verb in ("start", "stop", "restart", "install", "uninstall"):
        assert f"answers at {busy.socket}" in service(busy, verb, status=4, env=env).stderr
    assert pids(busy) == before
    assert evaluate(busy, "x")[0] == "5"


def test_nor_from_a_daemon_that_nobody_installed(manager: Manager) -> None:
    evaluate(manager, "x = 5")
    pid = manager.main_pid("runtimed-auto.service")
    socket = str(manager.home / "r" / "d.sock")
    done = manager.runt("eval", "x", env={"RUNTIMED_SOCKET": socket})
    assert (done.returncode, f"(pid {pid}) answers at {manager.socket}" in done.stderr) == (5, True)
    assert evaluate(manager, "x") == ("5", "")
    assert manager.main_pid("runtimed-auto.service") == pid


# Kernels to be ended, and nobody who does it


@pytest.mark.parametrize("verb", ["stop", "uninstall"])
def test_where_the_daemon_hangs_the_keeper_ends_the_kernels(busy: Manager, verb: str) -> None:
    kernel = json.loads(busy.runt("ps", "--json").stdout)["runtimes"][0]["pid"]
    os.kill(busy.main_pid(units.DAEMON), signal.SIGSTOP)
    done = service(busy, verb, "--kernels", timeout_s=150)
    assert "the keeper ended the kernels, as the daemon does not answer" in done.stdout
    assert not os.path.exists(f"/proc/{kernel}")


def test_where_the_keeper_hangs_too_nothing_is_done(busy: Manager) -> None:
    keeper = busy.main_pid(units.KEEPER)
    for pid in pids(busy):
        os.kill(pid, signal.SIGSTOP)
    done = service(busy, "uninstall", "--kernels", status=5, timeout_s=150)
    assert "the keeper does not answer" in done.stderr
    assert busy.main_pid(units.KEEPER) == keeper
    service(busy, "restart", timeout_s=150)
    assert evaluate(busy, "x")[0] == "5"
