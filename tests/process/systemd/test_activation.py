"""How the service begins: by hand, by its first client, by a hundred at once."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.systemd import ORDINARY, ROOT, USER_IDS, USERS
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

as_both = pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)

#: Says hello on so many connections, all of which are there before any is answered.
ALL_AT_ONCE = """
import json, socket, sys
path, count = sys.argv[1], int(sys.argv[2])
request = {"jsonrpc": "2.0", "id": 1, "method": "daemon.status", "params": {}}
sockets = []
for _ in range(count):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    sock.sendall(json.dumps(request).encode() + b"\\n")
    sockets.append(sock)
pids = [json.loads(sock.makefile().readline())["result"]["pid"] for sock in sockets]
print(len(pids), *sorted(set(pids)))
"""


@as_both
def test_start_returns_when_it_answers_and_status_says_what_it_does(service: Manager) -> None:
    before = service.main_pid("runtimed.service")
    assert service.call("daemon.status")["pid"] == before
    assert service.show("runtimed.service", "StatusText") == "0 runtimes, 0 running, 0 queued"
    done = service.runt("submit", "--name", "r", "input()")
    assert done.returncode == 0, done.stderr
    queued = service.runt("submit", "1")
    assert queued.returncode == 0, queued.stderr
    until(
        lambda: service.show("runtimed.service", "StatusText") == "1 runtime, 1 running, 1 queued",
        "the status line",
    )
    assert service.main_pid("runtimed.service") == before
    state = service.show("runtimed.service", "ActiveState")
    assert state == "active"


@as_both
def test_the_first_client_starts_it(installed: Manager) -> None:
    assert installed.show("runtimed.service", "ActiveState") == "inactive"
    done = installed.runt("eval", "6 * 7")
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert installed.show("runtimed.service", "ActiveState") == "active"
    assert installed.show("runtimed-keeper.service", "ActiveState") == "active"
    status = installed.call("daemon.status")
    assert status["socket"] == str(installed.socket)
    assert status["keeper_pid"] == installed.main_pid("runtimed-keeper.service")


def test_a_hundred_clients_at_once_are_all_answered_by_one_daemon(installed: Manager) -> None:
    done = installed.run(sys.executable, "-c", ALL_AT_ONCE, installed.socket, "100")
    assert done.stdout.split() == ["100", str(installed.main_pid("runtimed.service"))], done.stderr


@as_both
def test_nobody_else_gets_in_whatever_the_umask(installed: Manager) -> None:
    for unit in ("runtimed.service", "runtimed-keeper.service"):
        installed.drop_in(unit, "[Service]\nUMask=0000\n")
    assert installed.runt("eval", "1").returncode == 0
    socket = installed.socket
    assert stat.S_IMODE(socket.lstat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.lstat().st_mode) == 0o700
    assert stat.S_IMODE(installed.state_dir.lstat().st_mode) == 0o700
    open_to_others = [
        path
        for path in (installed.state_dir, *installed.state_dir.rglob("*"))
        if path.is_dir() and path.stat().st_mode & 0o077
    ]
    assert not open_to_others


@pytest.mark.parametrize("manager", [ROOT], indirect=True, ids=["root"])
def test_a_socket_that_others_could_use_is_refused(manager: Manager) -> None:
    manager.install_units()
    manager.drop_in("runtimed.socket", "[Socket]\nSocketMode=0666\n")
    manager.systemctl("start", "runtimed.socket")
    manager.systemctl("start", "runtimed.service", check=False)
    assert manager.show("runtimed.service", "ExecMainStatus") == "7"
    said = manager.journal("runtimed.service")
    assert "must be a socket of ours with mode 0600; it has mode 0666" in said


def test_the_socket_outlives_the_daemon(service: Manager) -> None:
    inode = service.socket.lstat().st_ino
    service.systemctl("stop", "runtimed.service")
    assert service.socket.lstat().st_ino == inode
    assert service.runt("ps").returncode == 0
    assert service.show("runtimed.service", "ActiveState") == "active"
    assert service.socket.lstat().st_ino == inode


def test_the_tab_key_does_not_start_it(installed: Manager) -> None:
    assert installed.runt("__complete", "stop", "").stdout == ""
    assert installed.show("runtimed.service", "ActiveState") == "inactive"
    assert installed.runt("start", "python3", "--name", "lab").returncode == 0
    assert installed.runt("__complete", "stop", "").stdout.split("\t")[:2] == ["plain", "lab"]


@pytest.mark.parametrize("manager", [ORDINARY], indirect=True, ids=["ordinary"])
def test_what_systemd_passed_is_not_passed_on(service: Manager) -> None:
    code = "import os; print(*sorted(os.environ))"
    names = service.runt("eval", code).stdout.split()
    assert "HOME" in names
    assert not {"LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(names)
    assert "RUNTIMED_KEEPER" not in names
