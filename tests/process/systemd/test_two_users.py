"""Two users of one machine: neither sees the other's daemon, store, kernels or outputs."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.systemd import ANOTHER, Manager

if TYPE_CHECKING:
    from collections.abc import Iterator

STRANGER = int(ANOTHER.partition("=")[2])
SECRET = "only-for-ada"

#: Tries each of these, and prints what came of it: an error's name, or "open".
TRIES = """
import json, os, socket, sys
def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)
def read(path):
    with open(path, 'rb') as file:
        file.read(1)
attempts = {'connect': connect, 'read': read, 'list': os.listdir, 'follow': os.readlink,
            'signal': lambda pid: os.kill(int(pid), 0)}
found = {}
for what in json.loads(sys.argv[1]):
    verb, _, target = what.partition(' ')
    try:
        attempts[verb](target)
        found[what] = 'open'
    except OSError as error:
        found[what] = type(error).__name__
print(json.dumps(found))
"""

#: Subscribes to everything that this user listens at, and prints what it hears for a while.
LISTENS = """
import sys, time, zmq
owner, seconds = sys.argv[1], float(sys.argv[2])
ports = set()
for line in open('/proc/net/tcp').readlines()[1:]:
    words = line.split()
    if words[3] == '0A' and words[7] == owner:
        ports.add(int(words[1].rpartition(':')[2], 16))
sub = zmq.Context().socket(zmq.SUB)
sub.subscribe(b'')
for port in ports:
    sub.connect(f'tcp://127.0.0.1:{port}')
until = time.monotonic() + seconds
while (left := until - time.monotonic()) > 0 and sub.poll(left * 1000):
    if b'only-for-ada' in b''.join(sub.recv_multipart()):
        print('heard', flush=True)
        break
"""


@pytest.fixture
def other(manager: Manager) -> Iterator[Manager]:
    """The other user, with a manager and a home of their own."""
    other = Manager(ANOTHER)
    try:
        yield other
    finally:
        other.dispose()


def started(service: Manager, kernel: str) -> dict[str, Any]:
    done = service.runt("start", kernel, "--json", timeout_s=90)
    assert done.returncode == 0, done.stderr
    runtime = json.loads(done.stdout)["runtime"]
    shown: dict[str, Any] = service.call("runtime.get", runtime=runtime["id"])
    return shown


def test_each_has_a_daemon_of_their_own(service: Manager, other: Manager) -> None:
    assert service.runt("eval", f"secret = {SECRET!r}; print(secret)").stdout == f"{SECRET}\n"
    other.install_units()
    other.systemctl("start", "runtimed.socket")
    assert other.runt("eval", "6 * 7").stdout == "42\n"
    for mine, theirs in ((service, other), (other, service)):
        seen = mine.runt("ps", "--all", "--json").stdout
        assert len(json.loads(seen)["runtimes"]) == 1
        assert str(theirs.home) not in seen
        assert mine.call("daemon.status")["pid"] == mine.main_pid("runtimed.service")
    assert SECRET not in other.runt("history", "--json").stdout


def test_a_stranger_gets_at_nothing(service: Manager) -> None:
    """By the file system, by the processes, and by signals."""
    runtime = started(service, "python3")
    name = runtime["short_id"] if "short_id" in runtime else runtime["id"]
    assert service.runt("eval", "-r", name, f"print({SECRET!r})").returncode == 0
    pids = [
        service.main_pid("runtimed.service"),
        service.main_pid("runtimed-keeper.service"),
        runtime["pid"],
    ]
    connection = json.loads(service.run("cat", runtime["connection_file"]).stdout)
    sockets = [
        service.socket,
        service.state_dir / "keeper.sock",
        *(f"{connection['ip']}-{connection[f'{channel}_port']}" for channel in ("iopub", "shell")),
    ]
    secrets = [runtime["connection_file"], service.state_dir / "runtimed.db"]
    places = [service.state_dir, service.state_dir / "journal", service.state_dir / "blobs"]
    tries = [f"connect {path}" for path in sockets]
    tries += [f"read {path}" for path in secrets] + [f"list {path}" for path in places]
    for pid in pids:
        tries += [f"read /proc/{pid}/environ", f"read /proc/{pid}/mem", f"signal {pid}"]
        tries += [f"follow /proc/{pid}/cwd", f"list /proc/{pid}/fd"]
    mine = attempt(service, tries, None)
    assert {verdict for what, verdict in mine.items() if "/mem" not in what} == {"open"}, mine
    theirs = attempt(service, tries, STRANGER)
    assert set(theirs.values()) == {"PermissionError"}, theirs
    refused = service.runt("ps", uid=STRANGER, env={"RUNTIMED_SOCKET": str(service.socket)})
    assert refused.returncode == 7, refused
    assert SECRET not in refused.stdout


def attempt(service: Manager, tries: list[str], uid: int | None) -> dict[str, str]:
    done = service.run(sys.executable, "-c", TRIES, json.dumps(tries), uid=uid)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("kernel", "is_readable"), [("python3", False), ("deno", True)])
def test_who_can_hear_a_kernel(service: Manager, kernel: str, *, is_readable: bool) -> None:
    """Jupyter's iopub has no key: over tcp everybody can hear it, and that is said."""
    code = "import time\nfor _ in range(600): print('only-for-ada', flush=True); time.sleep(0.1)"
    if kernel == "deno":
        code = (
            "for (let i = 0; i < 600; i++) {"
            " console.log('only-for-ada'); await new Promise(done => setTimeout(done, 100)) }"
        )
    done = service.runt("start", kernel, "--name", "heard", timeout_s=90)
    assert done.returncode == 0, done.stderr
    said = "readable by other local users" in done.stderr
    assert said is is_readable, done.stderr
    runtime = service.call("runtime.get", runtime="heard")
    assert runtime["private"] is not is_readable
    submitted = service.runt("submit", "-r", "heard", code)
    assert submitted.returncode == 0, submitted.stderr
    seconds = "30" if is_readable else "2"
    heard = service.run(
        sys.executable, "-c", LISTENS, str(os.stat(service.home).st_uid), seconds, uid=STRANGER
    )
    assert heard.returncode == 0, heard.stderr
    assert heard.stdout.split() == (["heard"] if is_readable else [])
