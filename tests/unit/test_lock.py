from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtimed import lock
from runtimed.lock import AlreadyRunning, only_one
from runtimed.paths import State

#: Holds the lock until its stdin is closed, whatever it is asked.
HOLDER = """
import signal, sys
from runtimed.lock import only_one
from runtimed.paths import State
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with only_one(State(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(str(tmp_path / "s")).create()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "STOPPING_S", 0.5)


def hold(state: State) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, state.dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_and_told_who_is_there(state: State) -> None:
    with hold(state) as holder:
        with pytest.raises(AlreadyRunning, match=rf"another runtimed \(pid {holder.pid}\) uses"):
            with only_one(state):
                pass
        holder.communicate()


def test_who_takes_over_does_not_wait_for_ever(state: State) -> None:
    with hold(state) as holder:
        with pytest.raises(AlreadyRunning, match=f"pid {holder.pid}.*, and does not stop"):
            with only_one(state, takes_over=True):
                pass
        holder.communicate()


def test_a_process_that_does_not_hold_the_lock_is_not_asked_to_stop(state: State) -> None:
    """The file may name one that has nothing to do with us: pids come again."""
    with (
        hold(state) as holder,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent,
    ):
        Path(state.daemon_lock).write_text(f"{innocent.pid}\n")
        with pytest.raises(AlreadyRunning):
            with only_one(state, takes_over=True):
                pass
        assert innocent.poll() is None
        innocent.communicate(b"\n")
        holder.communicate()
    assert innocent.returncode == 0


@pytest.mark.parametrize("said", ["", "1\n", "-1\n", "nobody\n", f"{2**40}\n"])
def test_whatever_the_file_says_a_free_lock_is_taken(state: State, said: str) -> None:
    Path(state.daemon_lock).write_text(said)
    with only_one(state, takes_over=True):
        assert Path(state.daemon_lock).read_text() == f"{os.getpid()}\n"


def test_the_file_says_who_has_it_and_where_it_answers(state: State) -> None:
    with only_one(state, "/r/d.sock"):
        assert Path(state.daemon_lock).read_text() == f"{os.getpid()}\n/r/d.sock\n"
        with pytest.raises(AlreadyRunning, match=rf"another runtimed \(pid {os.getpid()}\) uses"):
            with only_one(state):
                pass
