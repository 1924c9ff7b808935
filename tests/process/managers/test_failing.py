"""`runt service` with a real ``systemd --user`` when something is amiss."""

from __future__ import annotations

import json
import os
import signal
import site
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.managers import units
from tests.harness.systemd import RUNTIMED

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.harness.systemd import Manager

SCRIPT = """#!{python}
import sys
from {module} import main
sys.exit(main())
"""
DETACHED = {"RUNTIMED_MANAGER": "detached"}


def service(
    manager: Manager, *args: str, status: int = 0, **more: Any
) -> subprocess.CompletedProcess[str]:
    done = manager.runt("service", *args, **more)
    assert done.returncode == status, (args, done.stdout, done.stderr, manager.journal())
    return done


def evaluate(manager: Manager, code: str = "6 * 7", **more: Any) -> tuple[str, str]:
    """Return what is printed: the value, and complaints."""
    done = manager.runt("eval", code, **more)
    assert done.returncode == 0, (done.stdout, done.stderr, manager.journal())
    lines = done.stderr.splitlines(keepends=True)
    return done.stdout.strip(), "".join(x for x in lines if not x.startswith("runt: using "))


def environment(manager: Manager, name: str) -> Path:
    """Make another environment that has the package; return its programs' directory."""
    directory = manager.home / name
    done = manager.run(sys.executable, "-m", "venv", "--without-pip", directory)
    assert done.returncode == 0, done.stderr
    (packages,) = directory.glob("lib/python*/site-packages")
    lines = [f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages()]
    manager.write(packages / "tested.pth", "".join(lines))
    programs = directory / "bin"
    for program, module in (("runt", "runt.cli"), ("runtimed", "runtimed.main")):
        text = SCRIPT.format(python=programs / "python", module=module)
        manager.write(programs / program, text, 0o755)
    return programs


def executable(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]


@pytest.fixture
def settings(manager: Manager) -> Iterator[Path]:
    """A file of settings that cannot be used."""
    path = manager.write(manager.home / ".config/runtimed/config.toml", "no_such = 1\n")
    yield path
    path.unlink(missing_ok=True)


# An upgrade into another environment


@pytest.mark.parametrize("is_gone", [False, True], ids=["there", "gone"])
def test_a_restart_from_another_environment_moves_the_keeper_there(
    manager: Manager, is_gone: bool
) -> None:
    old, new = environment(manager, "a"), environment(manager, "b")
    assert manager.run(old / "runt", "service", "install").returncode == 0
    assert manager.run(old / "runt", "eval", "x = 5").returncode == 0
    runtime = manager.run(old / "runt", "ps", "-q").stdout.strip()
    assert executable(manager.main_pid(units.KEEPER)).startswith(str(old))
    if is_gone:
        old.parent.rename(manager.home / "away")
    done = manager.run(new / "runt", "service", "restart")
    assert done.returncode == 0, (done.stderr, manager.journal())
    assert "handed its kernels over" in done.stdout
    for unit in (units.KEEPER, units.DAEMON):
        assert executable(manager.main_pid(unit)).startswith(str(new))
    kept = manager.run(new / "runt", "eval", "--runtime", runtime, "x")
    assert kept.stdout == "5\n", kept.stderr
    assert not (manager.state_dir / "keeper.successor").exists()


def test_a_keeper_that_cannot_be_succeeded_says_why(manager: Manager) -> None:
    new = environment(manager, "b")
    service(manager, "install")
    evaluate(manager, "x = 5")
    keeper = manager.main_pid(units.KEEPER)
    manager.write(
        new / "runtimed",
        f'#!/bin/sh\n[ "$1" = keeper ] && exit 3\nexec {RUNTIMED} "$@"\n',
        0o755,
    )
    done = manager.run(new / "runt", "service", "restart")
    assert done.returncode == 5
    assert f"the keeper stays what it was (pid {keeper}): it ended with status 3" in done.stderr
    assert manager.main_pid(units.KEEPER) == keeper
    assert evaluate(manager, "x")[0] == "5"


def test_what_was_never_installed_moves_too(manager: Manager) -> None:
    new = environment(manager, "b")
    evaluate(manager, "x = 5")
    runtime = manager.runt("ps", "-q").stdout.strip()
    done = manager.run(new / "runt", "service", "restart")
    assert done.returncode == 0, (done.stderr, manager.journal())
    for unit in ("runtimed-auto.service", "runtimed-auto-keeper.service"):
        assert executable(manager.main_pid(unit)).startswith(str(new))
    assert manager.runt("eval", "--runtime", runtime, "x").stdout == "5\n"


# Settings that cannot be used


def test_a_restart_with_settings_that_cannot_be_used_is_refused(
    manager: Manager, request: pytest.FixtureRequest
) -> None:
    service(manager, "install")
    pids = manager.main_pid(units.DAEMON), manager.main_pid(units.KEEPER)
    path = request.getfixturevalue("settings")
    done = service(manager, "restart", status=2)
    assert "no_such" in done.stderr
    assert "nothing was changed" in done.stderr
    assert pids == (manager.main_pid(units.DAEMON), manager.main_pid(units.KEEPER))
    manager.systemctl("restart", units.DAEMON, check=False)
    assert manager.main_pid(units.DAEMON) == 0
    path.unlink()
    service(manager, "restart")
    assert evaluate(manager) == ("42", "")


def test_once_mended_it_is_the_managers_again(
    manager: Manager, request: pytest.FixtureRequest
) -> None:
    service(manager, "install")
    service(manager, "stop")
    settings = request.getfixturevalue("settings")
    for _ in range(12):  # more than StartLimitBurst
        assert manager.runt("eval", "1").returncode == 5
    settings.unlink()
    assert evaluate(manager) == ("42", "")
    assert manager.main_pid(units.DAEMON)


# A socket that is not there


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "running"])
def test_a_call_has_a_lost_socket_made_anew(manager: Manager, is_stopped: bool) -> None:
    service(manager, "install")
    evaluate(manager, "x = 5")
    if is_stopped:
        manager.systemctl("stop", units.DAEMON)
    manager.socket.unlink()
    assert evaluate(manager, "x") == ("5", "")
    assert manager.main_pid(units.DAEMON)
    status = json.loads(service(manager, "status", "--json").stdout)["service"]
    assert status["daemon"]["pid"] == manager.main_pid(units.DAEMON)


@pytest.mark.parametrize("verb", ["start", "restart", "install"])
def test_so_do_the_services_verbs(manager: Manager, verb: str) -> None:
    service(manager, "install")
    evaluate(manager, "x = 5")
    manager.socket.unlink()
    service(manager, verb)
    assert evaluate(manager, "x") == ("5", "")
    assert manager.main_pid(units.DAEMON)


def test_an_orderly_stop_leaves_no_socket(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    assert not manager.socket.exists()
    service(manager, "start")
    manager.systemctl("stop", units.SOCKET_UNIT)
    assert evaluate(manager) == ("42", "")
    assert manager.socket.exists()
    assert manager.main_pid(units.DAEMON)


# A manager that fails


def test_detached_instead_it_says_why(manager: Manager) -> None:
    service(manager, "install")
    service(manager, "stop")
    manager.drop_in(units.DAEMON, "[Service]\nExecStartPre=/bin/false\n")
    text, said = evaluate(manager)
    assert text == "42"
    assert "started detached, because not by the service manager: " in said
    assert len(said.splitlines()) == 1
    service(manager, "uninstall", "--kernels")


# A daemon that hangs, or is elsewhere


def test_a_daemon_that_hangs_is_not_one_that_does_not_run(manager: Manager) -> None:
    service(manager, "install")
    pid = manager.main_pid(units.DAEMON)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert f"does not answer (pid {pid})" in service(manager, "status", status=5).stdout
    finally:
        os.kill(pid, signal.SIGCONT)


def test_kernels_of_a_daemon_elsewhere_count(manager: Manager) -> None:
    elsewhere = DETACHED | {"RUNTIMED_SOCKET": str(manager.home / "r" / "d.sock")}
    evaluate(manager, "x = 5", env=elsewhere)
    done = service(manager, "uninstall", status=4, env=DETACHED)
    assert "does not answer at" in done.stderr
    assert evaluate(manager, "x", env=elsewhere)[0] == "5"
    assert "`runt service restart`" in manager.runt("eval", "x", env=DETACHED).stderr
    service(manager, "restart")
    assert evaluate(manager, "x")[0] == "5"
    service(manager, "uninstall", "--kernels")


# What is said


def test_what_ran_without_kernels_was_running(manager: Manager) -> None:
    service(manager, "install")
    assert service(manager, "uninstall", "--kernels").stdout.startswith("stopped\nremoved ")


def test_where_linger_fails_it_is_installed_and_says_so(manager: Manager) -> None:
    failing = "#!/bin/sh\necho not today >&2; exit 1\n"
    path = manager.write(manager.home / "fakes" / "loginctl", failing, 0o755)
    env = {"PATH": f"{path.parent}:{manager.env['PATH']}"}
    done = service(manager, "install", "--linger", status=5, env=env)
    assert "started (pid " in done.stderr
    assert "installed, but it does not live on after logout: " in done.stderr
    assert "not today" in done.stderr
