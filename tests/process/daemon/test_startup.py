"""The daemon as a process: how it starts, what it refuses, and what it leaves when it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from tests.harness.daemon import Daemon
from tests.process.daemon.story import wait_for_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness.daemon import State


def runtimed(
    state: State, *args: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a daemon that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "runtimed", *args],
        env=state.env | dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_sigterm_stops_it_in_order_and_leaves_kernels_running(daemon: Daemon) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")
    daemon.call("execution.eval", runtime=runtime["id"], code="x = 41")
    daemon.stop()
    assert not daemon.state.socket.exists()
    assert alive(runtime["pid"])
    daemon.start()
    done = daemon.call("execution.eval", runtime=runtime["id"], code="x + 1")
    assert done["outputs"][0]["data"]["text/plain"] == "42"
    assert daemon.call("runtime.get", runtime=runtime["id"])["pid"] == runtime["pid"]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_stopping_with_kernels_leaves_nothing(daemon: Daemon) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")
    cell = daemon.call(
        "execution.submit", runtime=runtime["id"], code="import time; time.sleep(600)"
    )
    wait_for_status(daemon, cell["id"], "running")
    keeper = daemon.call("daemon.status")["keeper_pid"]
    daemon.stop(kernels=True)
    assert not alive(runtime["pid"])
    assert not alive(keeper)
    # What the keeper saw at the end was taken in: the next daemon has nothing to guess.
    daemon.start()
    ended = daemon.call("runtime.get", runtime=runtime["id"])
    assert ended["status"] == "dead"
    assert ended["exit"]["reason"] in ("exit", "signal")
    assert daemon.call("execution.get", execution=cell["id"])["status"] == "kernel_died"


def test_a_second_daemon_is_refused(daemon: Daemon) -> None:
    second = runtimed(daemon.state)
    assert second.returncode == 5
    assert f"pid {daemon.pid}" in second.stderr
    elsewhere = runtimed(daemon.state, env={"RUNTIMED_STATE_DIR": str(daemon.state.root / "other")})
    assert elsewhere.returncode == 5, "a second one took over the socket"
    assert "answers at this socket" in elsewhere.stderr
    assert daemon.call("daemon.status")["pid"] == daemon.pid


def test_a_successor_waits_for_one_that_is_stopping(daemon: Daemon) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")
    assert daemon.process is not None
    old = daemon.process
    old.send_signal(signal.SIGTERM)
    daemon.start()
    assert old.wait(30) == 0
    assert daemon.call("runtime.get", runtime=runtime["id"])["status"] == "alive"


@pytest.mark.parametrize(
    ("env", "status", "words"),
    [
        ({"RUNTIMED_STATE_DIR": "/proc/nowhere/state"}, 5, "/proc/nowhere"),
        ({"RUNTIMED_SOCKET": "/tmp/" + "s" * 120}, 7, "at most 107"),
        ({"RUNTIMED_STATE_DIR": "/tmp/" + "s" * 120}, 7, "at most 107"),
        ({"RUNTIMED_MAX_BATCH": "many"}, 2, "RUNTIMED_MAX_BATCH must be a whole number"),
        ({"RUNTIMED_MAX_BATCH": "0"}, 2, "from 1 to 1000000, not 0"),
    ],
)
def test_it_says_in_one_line_why_it_does_not_start(
    state: State, env: dict[str, str], status: int, words: str
) -> None:
    refused = runtimed(state, env=env)
    assert refused.returncode == status, refused.stderr
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1, refused.stderr


@pytest.mark.parametrize("which", ["state", "socket"])
@pytest.mark.parametrize("problem", ["mode", "owner", "link"])
def test_a_directory_that_is_not_safely_ours_is_refused_not_repaired(
    state: State, which: str, problem: str
) -> None:
    folder = state.dir if which == "state" else state.socket.parent
    target = folder
    if problem == "link":
        target = state.root / "elsewhere"
        folder.symlink_to(target)
    target.mkdir(mode=0o700)
    if problem == "mode":
        target.chmod(0o750)
    if problem == "owner":
        os.chown(target, 12345, 12345)
    before = target.stat()
    refused = runtimed(state)
    assert refused.returncode == 7, refused.stderr
    assert str(folder) in refused.stderr
    assert (target.stat().st_mode, target.stat().st_uid) == (before.st_mode, before.st_uid)
    assert list(target.iterdir()) == []


def test_a_database_of_a_newer_version_is_refused(state: State) -> None:
    state.files.create()
    with apsw.Connection(state.files.database) as db:
        db.pragma("user_version", 99)
    refused = runtimed(state)
    assert refused.returncode == 5
    assert "schema 99" in refused.stderr
    assert "upgrade runtimed" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_file_that_is_no_database_is_refused_and_left_alone(state: State) -> None:
    state.files.create()
    database = Path(state.files.database)
    database.write_bytes(b"a diary, not a database\n" * 100)
    refused = runtimed(state)
    assert refused.returncode == 5
    assert "not a database" in refused.stderr
    assert database.read_bytes() == b"a diary, not a database\n" * 100


@pytest.mark.parametrize("args", [("--what",), ("daemon",), ("--ready-fd", "x"), ("keeper", "-x")])
def test_wrong_arguments_get_the_usage(state: State, args: tuple[str, ...]) -> None:
    refused = runtimed(state, *args)
    assert refused.returncode == 2
    assert "usage:" in refused.stderr


def test_version(state: State) -> None:
    said = runtimed(state, "--version")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("runtimed 0.")


def test_the_umask_of_the_user_reaches_the_kernel(state: State) -> None:
    old = os.umask(0o022)
    try:
        daemon = Daemon(state).start()
    finally:
        os.umask(old)
    runtime = daemon.call("runtime.start", kernel_name="python3")
    code = "import os; mask = os.umask(0); os.umask(mask); mask"
    done: Any = daemon.call("execution.eval", runtime=runtime["id"], code=code)
    assert done["outputs"][0]["data"]["text/plain"] == str(0o022)
    # The log of a daemon in the foreground is whoever's it is that reads it: here, the test's.
    private = {state.dir, *state.dir.iterdir()} - {Path(state.files.daemon_log)}
    assert all(path.stat().st_mode & 0o077 == 0 for path in private), private
    daemon.stop(kernels=True)
