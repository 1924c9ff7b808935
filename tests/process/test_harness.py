"""The fixtures themselves: they must fail a test that leaves something behind."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from tests.harness.daemon import Daemon, State, runt
from tests.harness.processes import processes_of


def test_a_daemon_that_runt_started_ends_with_its_kernels() -> None:
    state = State.create()
    done = runt(state, "eval", "6 * 7")
    assert done.stdout.strip() == "42", done.stderr
    left = len(processes_of(str(state.dir)))
    assert left >= 3, "daemon, keeper and kernel"
    state.dispose()
    assert not processes_of(str(state.dir))
    assert not state.root.exists()


def test_what_a_killed_daemon_left_is_ended() -> None:
    state = State.create()
    daemon = Daemon(state).start()
    daemon.call("runtime.start", env=state.env, cwd=str(state.project))
    daemon.kill()
    assert processes_of(str(state.dir))
    daemon.dispose()
    state.dispose()
    assert not processes_of(str(state.dir))


def test_a_process_that_outlives_a_clean_stop_fails_the_test() -> None:
    state = State.create()
    daemon = Daemon(state).start()
    straggler = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=state.env
    )
    with pytest.raises(AssertionError, match=f"left behind.*{straggler.pid}"):
        state.dispose(timeout_s=2.0)
    assert daemon.process is not None
    daemon.process.wait()
    assert not psutil.pid_exists(straggler.pid)
    straggler.communicate()
