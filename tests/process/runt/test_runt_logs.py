"""`runt service logs` where the log is in files, and `runt logs` of a kernel's own words."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runt
    from tests.harness.daemon import State

FILE_BYTES = 8_192


@pytest.fixture
def rotating(state: State) -> Iterator[Daemon]:
    """A daemon with small files of logs."""
    env = {
        "RUNTIMED_LOG_FILE_BYTES": str(FILE_BYTES),
        "RUNTIMED_LOG_FILES": "3",
        "RUNTIMED_KERNEL_LOG_BYTES": "65536",
        "RUNTIMED_MANAGER": "detached",
    }
    state.env |= env
    daemon = Daemon(state).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@contextmanager
def followed(state: State, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run a `runt` that goes on until it is told to end, or ends by itself."""
    command = [sys.executable, "-m", "runt", *args]
    follower = subprocess.Popen(
        command, env=state.env, cwd=state.project, stdout=subprocess.PIPE, text=True
    )
    with follower:
        try:
            yield follower
        finally:
            follower.terminate()


def test_the_log_is_rotated_and_followed_across_it(rotating: Daemon, runt: Runt) -> None:
    state = rotating.state
    with followed(state, "service", "logs", "-f", "--json") as follower:
        assert follower.stdout is not None
        while "answering at" not in follower.stdout.readline():
            pass
        seen = 0
        for number in range(300):
            rotating.call("daemon.reload")
            while number % 50 == 49 and seen <= number:  # before it has been rotated away
                message = json.loads(follower.stdout.readline())["log"]["message"]
                assert "missing" not in message
                seen += message.startswith("settings read again")
    files = sorted(Path(state.dir).glob("runtimed.log*"))
    assert [file.name for file in files] == ["runtimed.log", "runtimed.log.1", "runtimed.log.2"]
    assert max(file.stat().st_size for file in files) <= FILE_BYTES
    said = runt("service", "logs", "-n", "2")
    assert said.stdout.count(" runtimed[") == 2, said.stderr
    assert f" runtimed[{rotating.pid}] info: settings read again" in said.stdout
    assert runt("service", "logs", "--since", "2001-01-01").stdout.count("\n") > 100
    assert json.loads(runt("service", "logs", "--since", "2101-01-01", "--json").stdout) == {
        "schema": 1,
        "logs": [],
    }


def test_daemon_and_keeper_are_in_one_log_by_time_with_what_they_concern(
    daemon: Daemon, runt: Runt
) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3", name="lab")
    daemon.call("runtime.kill", runtime=runtime["id"])
    entries = json.loads(runt("service", "logs", "--json").stdout)["logs"]
    assert [each["at"] for each in entries] == sorted(each["at"] for each in entries)
    assert {each["identifier"] for each in entries} == {"runtimed", "runtimed-keeper"}
    about = [each for each in entries if each.get("runtime") == runtime["id"]]
    assert f"spawned pid {runtime['pid']}, incarnation 1" in {each["message"] for each in about}
    told = runt("service", "logs").stdout
    assert f"info: [{runtime['id'][-8:].lower()}] spawned pid {runtime['pid']}" in told


def test_code_outputs_keys_and_variables_are_in_no_log(state: State) -> None:
    state.env["RUNTIMED_LOG_LEVEL"] = "DEBUG"
    daemon = Daemon(state).start()
    env = {**state.env, "TOKEN": "in-the-environment"}
    runtime = daemon.call("runtime.start", kernel_name="python3", env=env)
    code = "print('in-the-' + 'output'); 'in-the-code'; {}['in-the-' + 'traceback']"
    daemon.call("execution.eval", runtime=runtime["id"], code=code, wait_s=60)
    asked: dict[str, Any] = daemon.call(
        "execution.submit", runtime=runtime["id"], code="input('in-the-question')"
    )
    daemon.call("execution.wait", execution=asked["id"], wait_s=1)
    daemon.call("execution.interrupt", execution=asked["id"])
    key = json.loads(Path(runtime["connection_file"]).read_text())["key"]
    daemon.kill()
    daemon.start()
    daemon.call("runtime.restart", runtime=runtime["id"])
    with pytest.raises(Exception, match="in-the-request"):
        daemon.call("execution.get", execution="in-the-request")
    daemon.stop(kernels=True)
    logs = state.logs()
    assert runtime["id"] in logs
    assert "in-the-" not in logs
    assert key not in logs


def test_a_kernels_own_words_are_followed_and_kept_small(rotating: Daemon, runt: Runt) -> None:
    state = rotating.state
    runtime = rotating.call("runtime.start", kernel_name="python3", name="lab")

    path = Path(state.files.kernels, f"{runtime['id']}.out")
    # Past ipykernel, which shows as output what comes at descriptor 1; opened as the keeper does.
    begin = f"import os; own = os.open({str(path)!r}, os.O_WRONLY | os.O_APPEND)\n"

    def run(code: str) -> None:
        done = rotating.call("execution.eval", runtime="lab", code=begin + code, wait_s=60)
        assert done["status"] == "done", done

    greeting = rotating.call("runtime.logs", runtime="lab")["stdout_end"]  # ipykernel's own
    run("n = os.write(own, b'one\\ntwo\\n')")
    assert runt("logs", "lab", "-n", "1").stdout == "two\n"
    assert runt("logs", "lab", "--stderr").stdout == ""
    with followed(state, "logs", "lab", "--follow", "-n", "2", "--stdout") as follower:
        assert follower.stdout is not None
        assert [follower.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
        run("n = os.write(own, 'thr\u00e9e\\n'.encode())")
        assert follower.stdout.readline() == "thr\u00e9e\n"
        run("for n in range(20_000): m = os.write(own, b'%05d %s\\n' % (n, b'x' * 93))")
        while path.stat().st_size > 65_536:  # what is written at the instant of the cut is lost
            sleep(0.05)
        run("n = os.write(own, b'last\\n')")
        while follower.stdout.readline() != "last\n":
            pass
        rotating.call("runtime.kill", runtime="lab")
        assert follower.wait(60) == 0  # nothing more can come
    page = rotating.call("runtime.logs", runtime=runtime["id"], stdout_from=0, wait_s=60)
    assert page["stdout"].startswith("[runtimed: ")
    assert path.stat().st_size <= 65_536
    lines = page["stdout"].splitlines()[1:]
    numbers = [int(line.partition(" ")[0]) for line in lines[:-1]]
    assert numbers == sorted(numbers)
    assert all(line.partition(" ")[2] == "x" * 93 for line in lines[:-1])
    assert lines[-1] == "last"
    written = greeting + 8 + len("thr\u00e9e\n".encode()) + 20_000 * 100 + 5
    assert written - 1_000 * 100 < page["stdout_end"] <= written
    assert page["ended"] is True
