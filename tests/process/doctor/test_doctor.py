"""Break one thing, and see that the doctor names it; where it can be repaired, that it is."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process.daemon.adoption.waiting import adopted
from tests.process.doctor.findings import execute

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State
    from tests.process.doctor.conftest import Doctor


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# Nothing is wrong


def test_a_daemon_that_is_well_has_no_problem(daemon: Daemon, doctor: Doctor) -> None:
    found = doctor()
    assert found.problems() == []
    for check in ("socket", "daemon", "keeper", "versions", "database", "settings", "journals"):
        assert found.status(check) == "ok", found.worst(check)
    assert str(daemon.pid) in found.text("socket")
    assert "unknown" not in {each["status"] for each in found.all}, found.all


def test_without_a_daemon_it_looks_and_starts_none(state: State, doctor: Doctor) -> None:
    found = doctor()
    assert found.problems() == []
    assert found.status("kernelspecs") == "unknown"
    assert found.status("database") == "ok"
    assert not state.dir.exists()
    assert not state.socket.exists()


def test_on_a_pipe_it_is_a_line_each(daemon: Daemon, runt: Runt) -> None:
    done = runt("doctor")
    assert done.returncode == 0, done
    first, *lines = done.stdout.splitlines()
    assert first == "Status\tCheck\tFinding\tRemedy"
    assert {line.split("\t")[1] for line in lines} >= {"socket", "database", "versions"}
    assert runt("doctor", "-q").stdout == ""


# The socket


def test_a_socket_that_a_killed_daemon_has_left_is_removed(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    daemon.kill()
    found = doctor()
    assert found.status("socket") == "problem"
    assert state.socket.exists()
    fixed = doctor("--fix")
    assert fixed.status("socket") == "fixed", fixed.worst("socket")
    assert not state.socket.exists()
    assert doctor().status("socket") == "ok"


def test_a_socket_that_is_open_to_others_is_closed(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    state.socket.chmod(0o666)
    assert "0666" in doctor().text("socket")
    assert doctor("--fix").status("socket") == "fixed"
    assert mode_of(state.socket) == 0o600
    assert daemon.call("daemon.status")["pid"] == daemon.pid


def test_a_daemon_whose_socket_was_removed_is_told_and_restarted(
    daemon: Daemon, state: State, doctor: Doctor, runt: Runt
) -> None:
    state.socket.unlink()
    found = doctor()
    assert found.problems() == ["socket"]
    assert f"pid {daemon.pid}" in found.text("socket")
    assert found.worst("socket")["remedy"] == "runt service restart"
    assert "without a daemon" not in found.text("keeper")
    assert f"pid {daemon.pid} has the state" in runt("ps").stderr
    fixed = doctor("--fix")
    assert fixed.status("socket") == "fixed", fixed.worst("socket")
    assert daemon.call("daemon.status")["pid"] != daemon.pid


def test_a_daemon_that_listens_elsewhere_is_told(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    found = doctor(env={"RUNTIMED_SOCKET": f"{state.root}/r/other.sock"})
    assert found.status("socket") == "problem"
    assert f"listens at {state.socket}" in found.text("socket")
    assert "unset RUNTIMED_SOCKET" in found.worst("socket")["remedy"]
    assert "without a daemon" not in found.text("keeper")
    assert daemon.call("daemon.status")["pid"] == daemon.pid


def test_what_is_no_socket_is_left_alone(state: State, doctor: Doctor) -> None:
    state.socket.parent.mkdir(mode=0o700)
    state.socket.write_text("of somebody else")
    assert "no socket" in doctor("--fix").text("socket")
    assert state.socket.read_text() == "of somebody else"
    state.socket.unlink()


def test_a_daemon_that_does_not_answer_is_told(daemon: Daemon, doctor: Doctor) -> None:
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        found = doctor()
        fixed = doctor("--fix")
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    assert found.status("socket") == "problem"
    assert "no answer" in found.text("socket")
    assert "runt service restart" in found.worst("socket")["remedy"]
    assert "without a daemon" not in found.text("keeper")
    assert found.status("kernelspecs") == "unknown"
    assert fixed.status("socket") == "fixed"
    assert fixed.status("database") == "ok"


def test_a_keeper_that_is_alone_says_what_starts_a_daemon(
    daemon: Daemon, doctor: Doctor, runt: Runt
) -> None:
    daemon.call("runtime.start", kernel_name="python3")
    daemon.kill()
    found = doctor()
    assert "without a daemon" in found.text("keeper")
    assert found.worst("keeper")["remedy"] == "runt service start"
    assert runt("service", "start").returncode == 0
    assert doctor().status("keeper") == "ok"


def test_a_keeper_that_does_not_answer_is_told_and_goes_on(daemon: Daemon, doctor: Doctor) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")
    pid = daemon.call("daemon.status")["keeper_pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        found = doctor()
        fixed = doctor("--fix")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert found.status("keeper") == "problem"
    assert f"kill -CONT {pid}" in found.worst("keeper")["remedy"]
    assert fixed.status("keeper") == "fixed"
    done = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1", wait_s=60)
    assert done["status"] == "done"
    assert daemon.call("daemon.status")["keeper_pid"] == pid


# Directories


@pytest.mark.parametrize("which", ["r", "s", "s/blobs", "s/journal", "s/kernels"])
def test_directories_that_are_open_to_others_are_closed(
    daemon: Daemon, state: State, doctor: Doctor, which: str
) -> None:
    directory, check = (
        state.root / which,
        "state-directory" if which[0] == "s" else "socket-directory",
    )
    assert doctor().problems() == []
    directory.chmod(0o755)
    found = doctor()
    assert found.status(check) == "problem"
    assert "0755" in found.text(check)
    assert doctor("--fix").status(check) == "fixed"
    assert mode_of(directory) == 0o700
    assert doctor().problems() == []


def test_a_shared_directory_is_not_closed(state: State, doctor: Doctor) -> None:
    state.socket.parent.mkdir()
    state.socket.parent.chmod(0o1777)
    assert doctor("--fix").status("socket-directory") == "problem"
    assert mode_of(state.socket.parent) == 0o1777


def test_what_another_user_made_in_our_directory_is_named(state: State, doctor: Doctor) -> None:
    state.dir.mkdir(mode=0o700)
    (state.dir / "runtimed.log").touch()
    os.chown(state.dir / "runtimed.log", 65534, 65534)
    found = doctor()
    assert "runtimed.log" in found.text("state-directory")
    assert "chown" in found.worst("state-directory")["remedy"]


@pytest.mark.parametrize(
    ("value", "fault"), [("/nowhere/at/all", "No such file"), ("/dev/null", "is not a directory")]
)
def test_a_runtime_directory_that_cannot_be_used_is_told(
    doctor: Doctor, value: str, fault: str
) -> None:
    found = doctor(env={"XDG_RUNTIME_DIR": value})
    assert found.status("runtime-directory") == "problem"
    assert fault in found.text("runtime-directory")


# Settings


def test_a_bad_settings_file_is_named(state: State, doctor: Doctor) -> None:
    file = state.root / "config.toml"
    file.write_text("log_levle = 'debug'\n")
    found = doctor(env={"RUNTIMED_CONFIG": str(file)})
    assert found.status("settings") == "problem"
    assert "log_level" in found.text("settings")
    assert "runt config unset" in found.worst("settings")["remedy"]
    file.write_text("not TOML")
    found = doctor(env={"RUNTIMED_CONFIG": str(file)})
    assert found.worst("settings")["remedy"] == f"edit {file}, or move it away"


def test_a_state_directory_that_cannot_be_made_is_told(state: State, doctor: Doctor) -> None:
    (state.root / "file").touch()
    found = doctor(env={"RUNTIMED_STATE_DIR": str(state.root / "file" / "of" / "mine")})
    assert found.status("state-directory") == "problem"
    assert "file is no directory" in found.text("state-directory")


def test_a_setting_that_waits_for_a_restart_is_a_note(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    file = state.home / ".config/runtimed/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("max_batch = 7\n")
    found = doctor()
    assert found.status("settings") == "note"
    assert "max_batch" in found.text("settings")


def test_a_settings_file_that_is_not_there_is_not_in_force(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    assert "there is no file" in doctor().text("settings")
    nowhere = str(state.root / "nowhere.toml")
    found = doctor(env={"RUNTIMED_CONFIG": nowhere})
    texts = [each["text"] for each in found.all if each["check"] == "settings"]
    assert any("RUNTIMED_CONFIG names" in text for text in texts), texts
    assert "unset RUNTIMED_CONFIG" in found.worst("settings")["remedy"]


def test_a_daemon_of_another_settings_file_has_a_remedy_that_works(
    state: State, doctor: Doctor
) -> None:
    from tests.harness.daemon import Daemon

    theirs = str(state.root / "theirs.toml")
    daemon = Daemon(state, {"RUNTIMED_CONFIG": theirs}).start()
    try:
        remedy = doctor().worst("settings")["remedy"]
        assert "unset" not in remedy
        assert f"RUNTIMED_CONFIG={theirs}" in remedy
        assert doctor(env={"RUNTIMED_CONFIG": theirs}).status("settings") == "note"
    finally:
        daemon.stop(kernels=True)


def test_a_misspelt_variable_is_a_note(state: State, doctor: Doctor) -> None:
    assert doctor().status("variables") == "ok"
    found = doctor(env={"RUNTIMED_LOG_LEVL": "DEBUG"})
    assert found.status("variables") == "note"
    assert "did you mean RUNTIMED_LOG_LEVEL" in found.text("variables")


# The record


def test_a_kernelspec_that_cannot_start_is_named(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    _kernelspec(state, "broken", "/nowhere/bin/python")
    found = doctor()
    assert found.problems() == ["kernelspecs"]
    assert "broken" in found.text("kernelspecs")
    assert "/nowhere/bin/python" in found.text("kernelspecs")


def _kernelspec(state: State, name: str, program: str) -> None:
    file = state.home / ".local/share/jupyter/kernels" / name / "kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text(
        json.dumps({"argv": [program, "{connection_file}"], "display_name": name, "language": "x"})
    )


def test_transports_are_shown_and_forgotten_on_request_only(
    daemon: Daemon, state: State, doctor: Doctor, runt: Runt
) -> None:
    daemon.stop()
    execute(state, "INSERT INTO tcp_kernel VALUES ('/specs/deno', 'v', 1700000000000)")
    daemon.start()
    found = doctor("--fix")
    assert found.status("transports") == "note"
    assert "/specs/deno" in found.text("transports")
    assert doctor("--forget-transports").status("transports") == "ok"
    assert daemon.call("daemon.doctor")["transports"] == []


def test_forgetting_transports_takes_a_daemon(state: State, runt: Runt) -> None:
    done = runt("doctor", "--forget-transports")
    assert done.returncode == 5
    assert not state.dir.exists()


def test_connection_files_of_dead_kernels_are_removed(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    stale = state.root / "jr" / "kernel-stale.json"
    stale.parent.mkdir(exist_ok=True)
    ports = {f"{name}_port": 1 for name in ("shell", "iopub", "stdin", "control", "hb")}
    stale.write_text(
        json.dumps({**ports, "ip": "127.0.0.1", "transport": "tcp", "key": "secret-key-marker"})
    )
    adopted(daemon, stale, "dead")
    found = doctor().worst("connection-files")
    assert [Path(name).name for name in found["data"]["names"]] == ["kernel-stale.json"]
    fixed = doctor("--fix")
    assert fixed.status("connection-files") == "fixed", fixed.worst("connection-files")
    assert not stale.exists()
    assert daemon.call("runtime.list", all=True) == []


# Processes, and others


def test_a_keeper_with_room_for_few_kernels_is_told(daemon: Daemon, doctor: Doctor) -> None:
    keeper = daemon.call("daemon.doctor")["keeper"]["pid"]
    assert doctor().status("file-limits") == "ok"
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (200, 200))
    found = doctor()
    assert found.problems() == ["file-limits"]
    assert "keeper" in found.text("file-limits")
    assert "of 200 files" in found.text("file-limits")


def test_the_daemon_knows_the_keepers_version(daemon: Daemon) -> None:
    report = daemon.call("daemon.doctor")
    assert report["keeper"]["version"] == report["version"]


@pytest.mark.parametrize("first", [True, False])
def test_another_products_program_on_path_is_told(
    state: State, doctor: Doctor, first: bool
) -> None:
    place = state.root / "bin"
    place.mkdir()
    (place / "runt").write_text("#!/bin/sh\necho another runt\n")
    (place / "runt").chmod(0o755)
    ours = state.root / "ours"
    ours.mkdir()
    (ours / "runt").write_text("#!/usr/bin/python3\nfrom runt.cli import main\n")
    (ours / "runt").chmod(0o755)
    path = ":".join(map(str, (place, ours) if first else (ours, place)))
    found = doctor(env={"PATH": f"{path}:/usr/bin:/bin"})
    texts = [each["text"] for each in found.all if each["check"] == "programs"]
    assert any("another product's runt" in text for text in texts), texts
    assert any("another installation of ours" in text for text in texts), texts
    assert found.status("programs") == "problem"


def test_units_and_plists_of_another_product_are_a_note(state: State, doctor: Doctor) -> None:
    unit = state.home / ".config/systemd/user/runtimed-nightly.service"
    shared = state.home / ".local/share/systemd/user/runtimed.service"
    plist = state.home / "Library/LaunchAgents/io.nteract.runtimed.plist"
    for file in (unit, shared, plist):
        file.parent.mkdir(parents=True)
        file.write_text("somebody else's")
    found = doctor("--fix")
    assert found.status("other-products") == "note"
    assert len(found.worst("other-products")["data"]["names"]) == 3
    assert unit.exists()
    assert plist.exists()


def test_a_daemon_without_home_is_told(state: State, doctor: Doctor) -> None:
    from tests.harness.daemon import Daemon

    daemon = Daemon(state, {"HOME": str(state.root / "gone"), "PATH": "/usr/bin"}).start()
    try:
        found = doctor(env={"PATH": f"/usr/bin:{state.home}"})
        assert found.status("service-environment") == "problem"
        assert "HOME" in found.text("service-environment")
        notes = [each for each in found.all if each["check"] == "service-environment"]
        assert [str(state.home)] in [each["data"].get("names") for each in notes]
    finally:
        daemon.stop(kernels=True)
