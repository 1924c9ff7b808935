"""Builds that many ask for, that fail, that are broken off; with uv, and without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import Daemon, State
from tests.harness.jupyter import write_program
from tests.harness.processes import left_after
from tests.harness.shell import BIN

if TYPE_CHECKING:
    from tests.conftest import Runt

#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9/simple"


def prepare(daemon: Daemon, *packages: str, **params: Any) -> dict[str, Any]:
    env = params.pop("env", daemon.state.env)
    answer = daemon.call("environment.prepare", dependencies=packages, env=env, **params)
    assert isinstance(answer, dict)
    return answer


def test_ten_who_ask_two_daemons_at_once_get_one_build(daemon: Daemon, calls: Path) -> None:
    other = State.create()
    other.env |= {"PATH": daemon.state.env["PATH"], "HOME": daemon.state.env["HOME"]}
    second = Daemon(other).start()
    calls.write_text("")
    try:
        with ThreadPoolExecutor(10) as pool:
            asked = [
                pool.submit(prepare, (daemon, second)[n % 2], "six==1.17.0") for n in range(10)
            ]
            found = [each.result() for each in asked]
    finally:
        second.dispose()
        other.dispose()
    assert {answer["status"] for answer in found} == {"ready"}
    assert len({answer["path"] for answer in found}) == 1
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["venv", "pip"]


def test_whoever_does_not_wait_is_told_that_it_is_built(daemon: Daemon) -> None:
    assert prepare(daemon, "six==1.15.0", wait_s=0)["status"] == "building"
    assert prepare(daemon, "six==1.15.0")["status"] == "ready"
    assert prepare(daemon, "six==1.15.0", wait_s=0)["status"] == "ready"
    assert prepare(daemon)["status"] == "not_needed"
    code = '# /// script\n# dependencies = ["six==1.15.0"]\n# ///\n'
    assert prepare(daemon, code=code)["status"] == "ready"


@pytest.mark.parametrize(
    ("package", "env", "sentence"),
    [
        ("runtimed-has-no-such-package", {}, "the package index has nothing that fits"),
        ("six==99", {}, "the package index has nothing that fits"),
        (
            "six==1.14.0",
            {"UV_DEFAULT_INDEX": NOWHERE, "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"},
            f"the package index is not to be reached ({NOWHERE}",
        ),
        ("six==1.14.0", {"UV_OFFLINE": "1", "UV_NO_CACHE": "1"}, "not to use the network"),
    ],
)
def test_a_build_that_fails_leaves_a_sentence_and_nothing_else(
    runt: Runt, cache: Path, package: str, env: dict[str, str], sentence: str
) -> None:
    before = sorted(os.listdir(cache))
    failed = runt("start", "--with", package, env=env)
    assert (failed.returncode, failed.stdout) == (6, "")
    first, *log = failed.stderr.splitlines()
    name = package.partition("=")[0]
    assert first.startswith(f"runt: An environment with {name} was not built: ")
    assert sentence in first
    assert log, "the end of what the installer wrote"
    assert sorted(os.listdir(cache)) == before
    assert runt("ps", "-q").stdout == ""


def test_who_asks_again_is_told_that_it_failed_and_no_other_build_begins(
    state: State, daemon: Daemon, tmp_path: Path
) -> None:
    """Nobody waited when it did: else it would be `building` each time, for ever."""
    begun, goes_on = tmp_path / "begun", tmp_path / "goes-on"
    script = f"#!/bin/sh\necho x >> {begun}\nwhile ! [ -e {goes_on} ]; do sleep 0.05; done\n"
    write_program(tmp_path / "bin" / "uv", script + "echo error: it is broken >&2\nexit 2\n")
    env = {**state.env, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{state.env['PATH']}"}
    assert prepare(daemon, "six==1.14.0", wait_s=0, env=env)["status"] == "building"
    goes_on.touch()
    with pytest.raises(CallFailed, match="it is broken"):
        while True:  # it may not have failed yet
            prepare(daemon, "six==1.14.0", wait_s=0, env=env)
    assert begun.read_text() == "x\n"


def test_a_start_that_waits_for_its_environment_is_called_off_with_all_of_its_agent(
    state: State, runt: Runt, tmp_path: Path
) -> None:
    begun, goes_on = tmp_path / "begun", tmp_path / "goes-on"
    os.mkfifo(begun)
    os.mkfifo(goes_on)
    script = f"#!/bin/sh\necho > {begun}\nread x < {goes_on}\nexit 2\n"
    write_program(tmp_path / "bin" / "uv", script)
    path = f"{tmp_path / 'bin'}{os.pathsep}{state.env['PATH']}"
    env = {"PATH": path, "RUNT_AGENT": "bot"}
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(runt, "start", "--with", "six==1.14.0", env=env)
        begun.read_text()
        others = runt("stop", "--by", "bob")
        assert others.stderr == "runt: nothing that bob has started is alive\n"
        stopped = runt("stop", "--by", "bot")
        assert (stopped.returncode, stopped.stdout) == (0, "")
        assert stopped.stderr == "runt: called off a start of bot, under way\n"
        assert (start.result().returncode, start.result().stdout) == (6, "")
        assert "it was called off" in start.result().stderr
    goes_on.write_text("\n")


@pytest.mark.parametrize(
    ("words", "requirement"),
    [(["start"], "six==1.12.0"), (["eval", "--rm", "1"], "six==1.11.0")],
    ids=["start", "eval"],
)
def test_who_breaks_off_a_start_that_waits_for_its_environment_has_started_nothing(
    state: State,
    daemon: Daemon,
    runt: Runt,
    calls: Path,
    tmp_path: Path,
    words: list[str],
    requirement: str,
) -> None:
    begun, goes_on = tmp_path / "begun", tmp_path / "goes-on"
    os.mkfifo(begun)
    os.mkfifo(goes_on)
    waits = f'if [ "$1" = venv ]; then echo > {begun}; read x < {goes_on}; fi\n'
    script = f'#!/bin/sh\n{waits}exec {calls.parent / "uv"} "$@"\n'
    write_program(tmp_path / "bin" / "uv", script)
    env = {**state.env, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{state.env['PATH']}"}
    command = [os.path.join(BIN, "runt"), *words, "--with", requirement]
    with subprocess.Popen(command, env=env, cwd=state.project) as start:
        begun.read_text()
        start.send_signal(signal.SIGINT)
        assert start.wait() == 130
    goes_on.write_text("\n")
    assert prepare(daemon, requirement, env=env)["status"] == "ready"
    assert runt("ps", "-q").stdout == ""


def test_the_python_that_a_script_takes(daemon: Daemon) -> None:
    code = '# /// script\n# requires-python = ">={}"\n# dependencies = ["six"]\n# ///\n'
    version = f"3.{sys.version_info.minor}"
    answer = prepare(daemon, code=code.format(version))
    assert answer["python_version"] == version
    again = {name: answer[name] for name in ("dependencies", "requires_python")}
    started = daemon.call("runtime.start", **again, env=daemon.state.env)
    assert (started["environment"], started["dependencies"]) == (answer["path"], ["six"])
    daemon.call("runtime.kill", runtime=started["id"])
    with pytest.raises(CallFailed, match=r"it takes Python >=99, and .* is Python 3") as caught:
        prepare(daemon, code=code.format(99), environment=sys.executable)
    assert caught.value.name == "EnvironmentBuildFailed"


def test_what_a_crash_has_left_is_built_anew(daemon: Daemon) -> None:
    place = Path(prepare(daemon, "six==1.17.0")["path"])
    (place / "runtimed.json").unlink()
    (place / "junk").touch()
    assert prepare(daemon, "six==1.17.0")["status"] == "ready"
    assert not (place / "junk").exists()


def test_a_daemon_that_stops_ends_what_it_builds(state: State, tmp_path: Path) -> None:
    """With all that was started for it; and nothing of it is taken for an environment."""
    home = State.create()
    began = tmp_path / "began"
    os.mkfifo(began)
    script = f'#!/bin/sh\nmkdir -p "$5/bin"\necho > {began}\nexec sleep 1000\n'
    write_program(tmp_path / "bin" / "uv", script)
    home.env["PATH"] = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    daemon = Daemon(home).start()
    try:
        assert prepare(daemon, "six", wait_s=0)["status"] == "building"
        began.read_text()
        daemon.stop()
        assert left_after(str(home.dir), 10) == []
        assert os.listdir(home.home / ".cache" / "runtimed" / "environments") == []
    finally:
        daemon.dispose()
        home.dispose()


def test_without_uv_it_is_venv_and_pip(state: State, daemon: Daemon, cache: Path) -> None:
    path = os.pathsep.join(
        place
        for place in os.environ["PATH"].split(os.pathsep)
        if shutil.which("uv", path=place) is None
    )
    offline = {"PIP_INDEX_URL": NOWHERE, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    offline |= {"PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    before = sorted(os.listdir(cache))
    with pytest.raises(CallFailed, match=f"index is not to be reached .{NOWHERE}"):
        prepare(daemon, "six==1.13.0", env=state.env | {"PATH": path} | offline)
    assert sorted(os.listdir(cache)) == before
    answer = prepare(daemon, "six==1.13.0", env=state.env | {"PATH": path, "PIP_USER": "1"})
    assert answer["status"] == "ready"
    assert (Path(answer["path"]) / "bin" / "pip").exists()
