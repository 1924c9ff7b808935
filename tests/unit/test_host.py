from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtimed import host

if TYPE_CHECKING:
    from pathlib import Path


def run(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True
    )


PASS_TWICE = (
    "from runtimed.host import Step, passing\n"
    "for i in range(2):\n"
    "    print(i, flush=True)\n"
    "    passing(Step.COMMITTED)\n"
    "    passing(Step.PUBLISHED)\n"
)


@pytest.mark.parametrize(
    ("setting", "printed"), [("daemon.committed", b"0\n"), ("daemon.published:2", b"0\n1\n")]
)
def test_a_process_dies_at_the_nth_passing_of_its_step(setting: str, printed: bytes) -> None:
    done = run(PASS_TWICE, RUNTIMED_STOP_AT=setting)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, printed)


@pytest.mark.parametrize("setting", ["", "daemon.committed:3", "keeper.doorbell_rung"])
def test_a_process_lives_past_steps_that_are_not_named(setting: str) -> None:
    assert run(PASS_TWICE, RUNTIMED_STOP_AT=setting).returncode == 0


def test_a_step_that_does_not_exist_is_an_error() -> None:
    assert b"is not a valid Step" in run(PASS_TWICE, RUNTIMED_STOP_AT="nonsense").stderr


def test_a_process_is_known_by_its_start_time_and_state() -> None:
    started = host.process_start_time(os.getpid())
    assert started is not None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        later = host.process_start_time(child.pid)
        assert later is not None
        assert later >= started
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert host.process_state(child.pid) == "T"
    finally:
        child.kill()
        child.communicate()
    assert host.process_start_time(child.pid) is None
    assert host.process_state(child.pid) is None


def test_a_process_whose_name_holds_a_parenthesis_is_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "60"])
    try:
        assert host.process_start_time(child.pid) == host.process_start_time(child.pid)
        assert (host.process_start_time(child.pid) or 0) > 1
        assert host.process_state(child.pid) in ("S", "R", "D")
    finally:
        child.kill()
        child.wait()


def test_what_a_process_tells_of_itself(tmp_path: Path) -> None:
    code = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "", "last"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"EMPTY": "", "EQUALS": "a=b"},
        cwd=tmp_path,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        assert child.pid in host.pids()
        assert host.arguments_of(child.pid) == [sys.executable, "-c", code, "", "last"]
        environment = host.environment_of(child.pid) or {}
        assert (environment["EMPTY"], environment["EQUALS"]) == ("", "a=b")
        assert host.working_directory_of(child.pid) == str(tmp_path)
        assert host.parent_and_session(child.pid) == (os.getpid(), child.pid)
        child.communicate()
    assert host.arguments_of(child.pid) == []
    assert host.environment_of(child.pid) is None
    assert host.working_directory_of(child.pid) is None
    assert host.parent_and_session(child.pid) == (0, 0)


def test_the_boot_id_does_not_change() -> None:
    assert host.boot_id() == host.boot_id() != ""
