"""A kernel that somebody else started: used, and left as it was."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.keeper.endpoints import PRIVATE_DIRECTORY
from tests.harness.adopted import adopt, foreign
from tests.harness.keeper import events, thread_states

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.harness.keeper import Client, Kernel


@pytest.fixture
def owned(kernel: Kernel) -> Iterator[subprocess.Popen[bytes]]:
    with foreign(kernel) as process:
        yield process


@pytest.fixture
def adopted(
    client: Client, kernel: Kernel, owned: subprocess.Popen[bytes]
) -> subprocess.Popen[bytes]:
    adopt(client, kernel, owned.pid)
    kernel.reconnect(client, 0)
    return owned


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    while any(state != "T" for state in thread_states(pid)):
        time.sleep(0.001)


@pytest.mark.parametrize("how", ["stop", "SIGTERM", "forget"])
def test_it_outlives_the_keeper_and_being_forgotten(
    client: Client, adopted: subprocess.Popen[bytes], how: str
) -> None:
    if how == "forget":
        client.ask("forget", runtime="r1")
        assert "r1" not in client.hello()["runtimes"]
    if how == "SIGTERM":
        client.keeper.signal(signal.SIGTERM)  # the first one is heeded: the kernel is another's
    else:
        client.ask("stop", kernels=True)
    assert client.keeper.wait() == 0
    assert adopted.poll() is None


def test_its_socket_files_are_its_owners(client: Client, ipc_kernel: Kernel) -> None:
    public = [Path(f"{ipc_kernel.prefix}-{port}") for port in range(1, 6)]
    with foreign(ipc_kernel) as process:
        adopt(client, ipc_kernel, process.pid)
        ipc_kernel.reconnect(client, 0)
        client.wait_heartbeat("r1")
        assert not Path(client.keeper.directory, PRIVATE_DIRECTORY).exists()
        public[0].unlink()
        assert client.ask("probe", runtime="r1", timeout_ms=10000)["restored"] == []
        process.kill()
        process.wait()
        client.event("r1", "exited")
        client.hello()  # the files are dealt with in the turn that journals the exit
    assert [path.exists() for path in public] == [False, True, True, True, True]


def test_its_variables_are_not_kept(client: Client, kernel: Kernel, owned: Any) -> None:
    adopt(client, kernel, owned.pid)
    kernel.reconnect(client, 0)
    owned.kill()
    owned.wait()
    client.event("r1", "exited")
    assert kernel.request_spawn(client, env=None)["error"] == "no_environment"


def test_it_is_executed_on_when_first_asked_to(
    client: Client, kernel: Kernel, adopted: subprocess.Popen[bytes]
) -> None:
    assert client.event("r1", "connected").meta["channels"] == ["control", "iopub"]
    kernel.send(client, "input('name? ')", "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "input_request", "x.1"))
    reply = kernel.message("input_reply", {"value": "it"}, "i.1")
    client.ask("send", reply, **{**kernel.address("i.1"), "channel": "stdin"})
    assert kernel.reply(client, "x.1")["status"] == "ok"


def test_a_stopped_one_is_opened_when_it_goes_on(
    client: Client, kernel: Kernel, owned: subprocess.Popen[bytes]
) -> None:
    """Its backlog accepts the connection, and then nobody shakes hands."""
    stop(owned.pid)
    assert adopt(client, kernel, owned.pid)["incarnation"] == 1
    assert client.ask("probe", runtime="r1", timeout_ms=200)["state"] == "T"
    known = client.hello()["runtimes"]["r1"]
    assert (known["alive"], known["connected"]) == (True, False)
    assert events(client.keeper.records("r1")) == ["segment", "opening"]
    os.kill(owned.pid, signal.SIGCONT)
    kernel.reconnect(client, 0)
    assert kernel.incarnation == 1
    kernel.send(client, "1", "x.1")
    assert kernel.reply(client, "x.1")["status"] == "ok"


def test_a_stopped_one_whose_backlog_is_full_is_there_all_the_same(
    client: Client, ipc_kernel: Kernel
) -> None:
    with foreign(ipc_kernel) as process:
        stop(process.pid)
        knocks = []
        while True:
            knock = socket.socket(socket.AF_UNIX)
            knocks.append(knock)
            knock.setblocking(False)
            if knock.connect_ex(f"{ipc_kernel.prefix}-2") != 0:
                break
        adopt(client, ipc_kernel, process.pid)
        client.ask("probe", runtime="r1", timeout_ms=200)
        assert events(client.keeper.records("r1")) == ["segment", "opening"]
        os.kill(process.pid, signal.SIGCONT)
        ipc_kernel.reconnect(client, 0)
        for knock in knocks:
            knock.close()


def test_a_stopped_one_that_is_killed_is_gone(
    client: Client, kernel: Kernel, owned: subprocess.Popen[bytes]
) -> None:
    stop(owned.pid)
    adopt(client, kernel, owned.pid)
    owned.kill()
    owned.wait()
    client.event("r1", "exited")
    known = client.hello()["runtimes"]["r1"]
    assert (known["alive"], known["connected"]) == (False, False)


def test_one_that_has_gone_is_refused_at_once_and_stays_known(
    client: Client, kernel: Kernel, owned: subprocess.Popen[bytes]
) -> None:
    owned.kill()
    owned.wait()
    adopt(client, kernel, None)
    assert client.event("r1", "connect_failed").meta["reason"] == "ECONNREFUSED"
    assert "r1" in client.hello()["runtimes"]
    with foreign(kernel) as process:
        assert adopt(client, kernel, process.pid)["incarnation"] == 2
        kernel.reconnect(client, 0)


def test_computing_can_be_told_from_waiting(
    client: Client, kernel: Kernel, adopted: subprocess.Popen[bytes]
) -> None:
    def ticks() -> int:
        return int(client.ask("probe", runtime="r1", timeout_ms=10000)["cpu_ticks"])

    before = ticks()
    kernel.send(client, "while True: pass", "x.1")
    while ticks() < before + 20:
        pass
    stop(adopted.pid)
    assert ticks() == ticks()
    assert client.ask("probe", runtime="r1", timeout_ms=1)["state"] == "T"
    adopted.kill()
    adopted.wait()
    client.event("r1", "exited")
    gone = client.ask("probe", runtime="r1", timeout_ms=200)
    assert (gone["state"], gone["cpu_ticks"]) == (None, None)
