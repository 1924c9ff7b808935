"""What numbers, limits, times and lines of a log mean."""

from __future__ import annotations

import os
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runt.doctor import archive, remedies
from runt.doctor.examination import Examination
from runt.doctor.listening import paths_of
from runt.doctor.origins import interpreter, interpreter_of, is_same_environment, origins
from runt.doctor.others import on_path
from runt.doctor.places import judge_space, runtime_directory
from runt.doctor.processes import judge_clock, judge_limits, limits_of, session_of, versions
from runt.doctor.service import environment, missing_from
from runt.doctor.settings import unread
from runtimed import __version__
from runtimed.managers.protocol import Status, Unit

GB = 10**9


@pytest.mark.parametrize(
    ("free", "total", "files", "status"),
    [
        (50 * GB, 100 * GB, 10**6, "ok"),
        (50 * GB, 100 * GB, None, "ok"),
        (GB // 2, 100 * GB, 10**6, "note"),
        (GB // 2, GB, 10**6, "ok"),
        (GB // 20, 100 * GB, 10**6, "problem"),
        (0, 0, 10**6, "problem"),
        (50 * GB, 100 * GB, 12, "problem"),
    ],
)
def test_little_room_is_told(free: int, total: int, files: int | None, status: str) -> None:
    assert judge_space("/x", free, total, files).status == status


@pytest.mark.parametrize(
    ("blocks", "files", "status"), [(10, 10, "ok"), (0, 10, "problem"), (10, 0, "problem")]
)
def test_a_full_runtime_directory_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, blocks: int, files: int, status: str
) -> None:
    of_tmp = os.statvfs(tmp_path)
    fields = list(of_tmp)
    fields[4], fields[5], fields[7] = blocks, 100, files  # f_bavail, f_files, f_favail
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    (finding,) = runtime_directory(Examination())
    assert finding.status == status


def test_limits_are_read_as_the_system_writes_them() -> None:
    wanted = tuple(
        None if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    assert limits_of(Path("/proc/self/limits").read_text()) == wanted
    assert limits_of("Max open files            unlimited            unlimited  files") == (
        None,
        None,
    )
    with pytest.raises(ValueError, match="open files"):
        limits_of("")


@pytest.mark.parametrize(
    ("name", "used", "soft", "status"),
    [
        ("keeper", 20, 1_048_576, "ok"),
        ("keeper", 20, None, "ok"),
        ("keeper", 20, 256, "problem"),
        ("keeper", 300, 256, "problem"),
        ("daemon", 20, 1024, "ok"),
        ("daemon", 1000, 1024, "problem"),
    ],
)
def test_few_files_are_told(name: str, used: int, soft: int | None, status: str) -> None:
    finding = judge_limits(name, used, soft, soft)
    assert finding.status == status
    assert bool(finding.remedy) == (status == "problem")


NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "newest", "status"),
    [
        (NOW, None, "ok"),
        (NOW, "2026-05-01T11:59:59.000Z", "ok"),
        (NOW, "2026-05-01T12:01:00.000Z", "ok"),
        (NOW, "2026-05-01T13:00:00.000Z", "problem"),
        (datetime(1970, 1, 1, tzinfo=UTC), None, "problem"),
    ],
)
def test_a_clock_behind_the_record_is_told(now: datetime, newest: str | None, status: str) -> None:
    assert judge_clock(now, newest).status == status


@pytest.mark.parametrize(
    ("daemon", "keeper", "status"),
    [
        (__version__, __version__, "ok"),
        ("0.0.1", __version__, "problem"),
        (__version__, None, "problem"),
    ],
)
def test_other_versions_are_told(daemon: str, keeper: str | None, status: str) -> None:
    examination = Examination()
    examination.greeting = {"version": daemon}
    examination.report = {"keeper": {"pid": 1, "version": keeper}}
    examination.status = Status("detached", installed=False, running=True)
    (finding,) = versions(examination)
    assert finding.status == status
    if status == "problem":
        assert ("the daemon is 0.0.1" in finding.text) == (daemon == "0.0.1")
        assert ("the keeper is older" in finding.text) == (keeper is None)


def test_directories_that_are_missing_from_path_are_found(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    a, b, link, gone = (str(tmp_path / name) for name in ("a", "b", "link", "gone"))
    assert missing_from([a], os.pathsep.join([a, b, link, gone, b, ""])) == [b]


def test_programs_are_found_once_in_the_order_of_path(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "runt").write_text("")
        (tmp_path / name / "runt").chmod(0o755)
    (tmp_path / "c").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "runtimed").write_text("not executable")
    path = os.pathsep.join(str(tmp_path / name) for name in ("b", "c", "a", "gone"))
    assert on_path("runt", path) == [str(tmp_path / "b/runt"), str(tmp_path / "c/runt")]
    assert on_path("runtimed", path) == []


def test_a_process_that_has_gone_is_in_no_session() -> None:
    assert session_of(2**22 + 1) is None


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("answering at /r/d.sock", "answering at /r/d.sock"),
        ("GET /?token=abc123 failed", "GET /?token=… failed"),
        ("https://me:pw@host/x", "https://host/x"),
        ("Authorization: abc", "Authorization: …"),
        ("the keeper: gone\nValueError: user's", "the keeper: gone\n    [1 lines are left out]"),
        ('failed\n  File "/a.py", line 3, in f', 'failed\n      File "/a.py", line 3, in f'),
    ],
)
def test_the_words_of_users_are_left_out_of_the_log(message: str, kept: str) -> None:
    entry = {"at": "T", "identifier": "runtimed", "pid": 1, "priority": "error", "message": message}
    assert archive._entry(entry) == f"T runtimed[1] error: {kept}\n"


def test_lines_of_others_are_counted_only() -> None:
    assert archive._entry({"at": "T", "message": "secret"}) == "[6 characters]\n"


def test_home_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    text = '"/home/ann/x" /home/anna/y /home/ann'
    assert archive._without_home(text) == '"~/x" /home/anna/y ~'


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("#!/a/bin/python3\nimport sys\n", "/a/bin/python3"),
        ("#! /a/bin/python\n", "/a/bin/python"),
        ('#!/bin/sh\n\'\'\'exec\' "/a b/bin/python3" "$0" "$@"\n', "/a b/bin/python3"),
        ("#!/bin/sh\n'''exec' /a/bin/python3 \"$0\" \"$@\"\n", "/a/bin/python3"),
        ("#!/bin/sh\nexec something\n", None),
        ("\x7fELF", None),
    ],
)
def test_a_program_tells_its_python(tmp_path: Path, head: str, wanted: str | None) -> None:
    program = tmp_path / "runtimed"
    program.write_text(head)
    assert interpreter_of(str(program)) == wanted
    assert interpreter_of(str(tmp_path / "gone")) is None


def test_environments_are_compared_by_their_directories(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert is_same_environment(f"{tmp_path}/a/python", f"{tmp_path}/link/python3.11")
    assert not is_same_environment(f"{tmp_path}/a/python", f"{tmp_path}/b/python")
    assert interpreter(["python3", "-m", "runtimed"]) is None
    assert interpreter([]) is None


def test_what_runs_from_another_environment_is_a_problem(tmp_path: Path) -> None:
    program = tmp_path / "runtimed"
    examination = Examination()
    examination.daemon_pid = examination.keeper_pid = os.getpid()
    examination.report = {"keeper": {"pid": os.getpid(), "version": "1"}}
    examination.status = Status("systemd", installed=True, running=True, program=str(program))
    ours = interpreter(Path("/proc/self/cmdline").read_text().split("\0"))
    assert ours is not None
    program.write_text(f"#!{ours}\n")
    assert [f.status for f in origins(examination)] == ["ok"]
    program.write_text("#!/other/bin/python3\n")
    found = list(origins(examination))
    assert [(f.status, f.data["process"]) for f in found] == [
        ("problem", "daemon"),
        ("problem", "keeper"),
    ]
    assert {f.remedy for f in found} == {"runt service restart"}


def test_only_sockets_of_the_process_that_listen_count() -> None:
    lines = [
        "0000000000000000: 00000002 00000000 00010000 0001 01 11 /r/with blank.sock",
        "0000000000000000: 00000003 00000000 00000000 0001 03 12 /r/connected",
        "0000000000000000: 00000002 00000000 00010000 0001 01 13 /r/of another",
        "0000000000000000: 00000002 00000000 00010000 0001 01 14",
    ]
    inodes = {"socket:[11]", "socket:[12]", "socket:[14]", "/dev/null"}
    assert paths_of(lines, inodes) == {"/r/with blank.sock"}


def test_variables_that_nothing_reads_are_found() -> None:
    environ = ["RUNTIMED_SOKET", "RUNTIMED_SOCKET", "RUNTIMED_MAX_BATCH", "RUNTIMED_LOGLEVEL", "X"]
    assert unread(environ) == ["RUNTIMED_LOGLEVEL", "RUNTIMED_SOKET"]


@pytest.mark.parametrize("manager", ["systemd", "launchd", "detached"])
def test_remedies_are_those_of_the_manager(monkeypatch: pytest.MonkeyPatch, manager: str) -> None:
    monkeypatch.delenv("RUNTIMED_MANAGER", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(("/usr", "/usr/bin")))
    examination = Examination()
    examination.daemon_pid = 5
    examination.report = {"home": None, "path": ["/usr/bin"]}
    examination.status = Status(manager, installed=False, running=True)
    said = [f.remedy for f in environment(examination)]
    assert any("systemctl" in each for each in said) == (manager == "systemd")
    move = remedies.move_out(examination)
    assert ("runt service install" in move) == (manager != "detached")
    assert remedies.can_restart(examination) == (manager == "detached")
    examination.status = Status(
        manager, installed=False, running=True, units=[Unit("u", "active", 5)]
    )
    assert remedies.can_restart(examination)
    monkeypatch.setenv("RUNTIMED_MANAGER", "detached")
    examination.status = Status("detached", installed=False, running=True)
    assert remedies.move_out(examination).startswith("unset RUNTIMED_MANAGER")
