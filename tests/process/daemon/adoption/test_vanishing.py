"""Kernels that are gone, or another's, before they have answered: each is ended or confirmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runtimed import host
from runtimed.client.connecting import CallFailed
from runtimed.kernels.launch import tcp_address
from tests.harness.daemon import Daemon
from tests.process.daemon.adoption.waiting import adopted, until
from tests.process.kernels.test_identity import CHANNELS, listening

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import State
    from tests.process.daemon.adoption.conftest import Fakes

#: Listens at the ports of a connection file, puts that in its place, and ends when somebody comes.
VANISHING = """
import json, os, select, socket, sys
hidden, path = sys.stdin.read().split()  # nobody finds it by its command line
info = json.load(open(hidden))
ports = [info[name] for name in info if name.endswith("_port")]
servers = [socket.create_server((info["ip"], port)) for port in ports]
os.utime(hidden, (1, 1))
os.rename(hidden, path)
select.select(servers, [], [])
os._exit(0)
"""


def vanishing(fakes: Fakes, name: str) -> tuple[Path, dict[str, Any]]:
    """Have a kernel come and go; return its connection file and that file's content."""
    info = tcp_address("fake")
    hidden = fakes.file(info, name).rename(fakes.directory.parent / "hidden")
    path = fakes.directory / f"kernel-{name}.json"
    subprocess.run(
        [sys.executable, "-c", VANISHING],
        input=f"{hidden} {path}",
        text=True,
        check=True,
        timeout=60,
    )
    return path, info


def test_a_kernel_that_ends_while_it_is_adopted(daemon: Daemon, fakes: Fakes) -> None:
    adopted(daemon, fakes.kernel("first"))  # the directory is there, and watched
    path, _ = vanishing(fakes, "vanish")
    found = adopted(daemon, path, "dead")
    assert found["id"] in {pruned["runtime"] for pruned in daemon.call("runtime.prune")}
    assert not path.exists()


def test_it_is_looked_for_again(daemon: Daemon, fakes: Fakes) -> None:
    """Its owner starts another behind the same file: no event tells of that."""
    adopted(daemon, fakes.kernel("first"))
    path, info = vanishing(fakes, "vanish")
    gone = adopted(daemon, path, "dead")
    fakes.listening(info)
    back = adopted(daemon, path)
    assert (back["id"], back["pid"] is None) == (gone["id"], False)


def test_what_was_starting_when_the_daemon_died(daemon: Daemon, fakes: Fakes) -> None:
    """It never answers, and the daemon that waited for that is no more."""
    adopted(daemon, fakes.kernel("first"))
    path = fakes.directory / "kernel-mute.json"
    with listening("greets", str(path)) as mute:
        fakes.file({**tcp_address("fake"), **mute.facts()}, "mute")
        found = adopted(daemon, path, "starting", pid=mute.pid)
        daemon.kill()
        daemon.start()
        adopted(daemon, path, "unresponsive", id=found["id"], pid=mute.pid)


def test_a_stranger_gets_no_signal(daemon: Daemon, fakes: Fakes) -> None:
    """It has the file on its command line and all of its ports, and cannot answer."""
    path = fakes.kernel("stolen")
    found = adopted(daemon, path)
    info = json.loads(path.read_text())
    ports = ",".join(str(info[f"{channel}_port"]) for channel in CHANNELS)
    os.kill(found["pid"], signal.SIGKILL)
    until(lambda: host.process_state(found["pid"]) in (None, "Z"), "its end")
    with listening(str(path), ports=ports) as thief:
        adopted(daemon, path, "unresponsive", pid=thief.pid)
        for verb, more in (("stop", {"grace_s": 0.1}), ("kill", {})):
            with pytest.raises(CallFailed) as refused:
                daemon.call(f"runtime.{verb}", runtime=found["id"], force=True, **more)
            assert refused.value.name == "NotConfirmed"
            assert f"process {thief.pid}" in str(refused.value)
        assert thief.process.poll() is None
    adopted(daemon, path, "dead")


def test_a_kernel_that_cannot_answer_can_be_ended(daemon: Daemon, fakes: Fakes) -> None:
    """As R cannot, busy since before we joined: but its ZeroMQ greets."""
    path = fakes.directory / "kernel-mute.json"
    adopted(daemon, fakes.kernel("first"))
    with listening("greets", str(path)) as mute:
        fakes.file({**tcp_address("fake"), **mute.facts()}, "mute")
        found = adopted(daemon, path, "unresponsive", pid=mute.pid)
        ended = daemon.call("runtime.kill", runtime=found["id"], force=True)
        assert (ended["how"], ended["runtime"]["status"]) == ("SIGKILL", "dead")


def test_what_has_no_process_yet_gets_no_signal(daemon: Daemon, fakes: Fakes) -> None:
    path = fakes.directory / "kernel-unborn.json"
    booting = subprocess.Popen(["sh", "-c", 'read line; : "$0"', str(path)], stdin=subprocess.PIPE)
    try:
        found = adopted(daemon, fakes.file(tcp_address("fake"), "unborn"), "starting")
        with pytest.raises(CallFailed) as refused:
            daemon.call("runtime.stop", runtime=found["id"], force=True)
        assert refused.value.name == "NotConfirmed"
        assert "None" not in str(refused.value)
    finally:
        booting.communicate()
    adopted(daemon, path, "dead")


def test_each_has_a_name_of_its_own(state: State, fakes: Fakes) -> None:
    for number in range(5):
        fakes.kernel(str(number))
    daemon = Daemon(state).start()
    try:
        listed = until(
            lambda: found if len(found := daemon.call("runtime.list")) == 5 else None, "all"
        )
        assert {one["name"] for one in listed} == {"fake", *(f"fake-{n}" for n in range(2, 6))}
    finally:
        daemon.dispose()


def test_a_name_that_was_given_on_while_it_was_dead(daemon: Daemon, fakes: Fakes) -> None:
    path = fakes.file(fakes.listening(ipc=True), "one")  # a port could be another's by then
    one = adopted(daemon, path)
    os.kill(one["pid"], signal.SIGKILL)
    adopted(daemon, path, "dead")
    two = adopted(daemon, fakes.kernel("two"))
    assert (one["name"], two["name"]) == ("fake", "fake")
    fakes.listening(json.loads(path.read_text()))
    path.touch()
    assert adopted(daemon, path, id=one["id"])["name"] == "fake-2"


#: Listens at the shell's port alone, as a kernel does that is still starting; then it is a kernel.
HALF_BORN = """
import json, os, socket, sys
info = json.load(open(sys.argv[1]))
server = socket.create_server((info["ip"], info["shell_port"]))
print("listens", flush=True)
sys.stdin.readline()
server.close()
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1]])
"""


def test_one_that_was_still_opening_its_ports_is_connected_to(state: State, fakes: Fakes) -> None:
    """Its first port takes connections, and the next does not yet: it is tried again at once."""
    daemon = Daemon(state, {"RUNTIMED_RESCAN_INTERVAL_S": "3600"}).start()
    adopted(daemon, fakes.kernel("first"))
    info = tcp_address("python3")
    path = fakes.directory / "kernel-half.json"
    hidden = fakes.file(info, "hidden").rename(fakes.directory.parent / "hidden")
    hidden.rename(path)
    with subprocess.Popen(
        [sys.executable, "-c", HALF_BORN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as half:
        assert half.stdin is not None
        try:
            found = adopted(daemon, path, "unresponsive", pid=half.pid)
            assert "unconfirmed" in found["notices"][0]
            half.stdin.write(b"\n")
            half.stdin.flush()
            there = adopted(daemon, path, "alive", id=found["id"], notices=[])
            assert there["pid"] == half.pid
        finally:
            half.kill()
            daemon.dispose()
