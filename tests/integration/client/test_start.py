"""Starting the daemon, with a stand-in for it; process/ has the real one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtimed.client import start
from runtimed.client.connecting import CallFailed
from runtimed.client.lines import connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.lineserver import Service


def starts_in(fake_daemon: Path) -> list[str]:
    return fake_daemon.read_text().splitlines() if fake_daemon.exists() else []


def test_a_running_daemon_is_not_started_again(service: Service, fake_daemon: Path) -> None:
    start.ensure_daemon().close()
    assert starts_in(fake_daemon) == []


def test_it_is_started_detached(
    fake_daemon: Path, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/of/the/caller")
    monkeypatch.setenv("LISTEN_FDS", "1")
    client = connect(start.ensure_daemon(), str(socket_path), "test")
    assert client.call("echo", {"value": 1}) == 1
    client.close()
    (line,) = starts_in(fake_daemon)
    pid, session, cwd, *environment = line.split()
    assert pid == session
    assert cwd == "/"
    assert "'NOTIFY_SOCKET'," not in environment
    assert "'LISTEN_FDS'," not in environment
    assert "'FAKE_DAEMON'," in environment
    log = fake_daemon.parent / "runtimed.log"
    assert stat.S_IMODE(log.lstat().st_mode) == 0o600
    assert stat.S_IMODE(fake_daemon.parent.lstat().st_mode) == 0o700
    opened = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
    assert opened == {"/dev/null", str(log)}


def test_twenty_at_once_start_one(fake_daemon: Path) -> None:
    script = (
        "import sys\n"
        "from runtimed.client import lines, start\n"
        f"start.COMMAND = {start.COMMAND!r}\n"
        "sys.stdin.read()\n"
        "client = lines.connect(start.ensure_daemon(), 'x', 'test')\n"
        "print(client.call('who')['uid'])\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(20)
    ]
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()  # now
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.read() == b"%d\n" % os.getuid()
        run.stdout.close()
        assert run.wait() == 0
    assert len(starts_in(fake_daemon)) == 1


def test_a_stale_socket_is_no_daemon(fake_daemon: Path, socket_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(socket_path))
    start.ensure_daemon().close()
    assert len(starts_in(fake_daemon)) == 1


def test_one_that_fails_to_start_says_why(
    fake_daemon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DAEMON", "exit")
    fake_daemon.parent.mkdir(mode=0o700)
    (fake_daemon.parent / "runtimed.log").write_text("words of an earlier start\n")
    with pytest.raises(CallFailed, match="exit status 3") as caught:
        start.ensure_daemon()
    assert caught.value.name == "DaemonUnreachable"
    assert "the database is newer" in caught.value.message
    assert "earlier start" not in caught.value.message


def test_one_that_ends_without_a_word(fake_daemon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DAEMON", "silent")
    with pytest.raises(CallFailed, match=r"exit status 0; .*runtimed\.log may tell more"):
        start.ensure_daemon()


def test_an_unsafe_directory_starts_nothing(fake_daemon: Path, socket_path: Path) -> None:
    socket_path.parent.chmod(0o755)
    with pytest.raises(CallFailed, match="must be 0700") as caught:
        start.ensure_daemon()
    assert (caught.value.name, caught.value.exit_code) == ("Denied", 7)
    assert starts_in(fake_daemon) == []


def test_what_is_not_ours_is_not_replaced(fake_daemon: Path, socket_path: Path) -> None:
    socket_path.write_text("precious")
    with pytest.raises(CallFailed) as caught:
        start.ensure_daemon()
    assert caught.value.name == "NotRuntimed"
    assert starts_in(fake_daemon) == []
