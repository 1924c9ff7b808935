"""How long a keeper stays, and what becomes of its kernels."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runtimed.keeper.keeper import Keeper as Owner
from runtimed.keeper.operations import perform
from runtimed.keeper.request import Refused, Request
from runtimed.supervision import ServiceManager
from tests.harness.keeper import Kernel, thread_states

if TYPE_CHECKING:
    from tests.harness.keeper import Client, Keeper


def test_with_neither_kernel_nor_daemon_it_ends(keeper: Keeper) -> None:
    keeper.start(RUNTIMED_KEEPER_LINGER_S="0.05")
    assert keeper.wait() == 0
    assert not os.path.exists(keeper.state.keeper_socket)


def test_a_daemon_keeps_it(keeper: Keeper) -> None:
    keeper.start(RUNTIMED_KEEPER_LINGER_S="1")
    client = keeper.connect()
    with pytest.raises(TimeoutError):
        client.read(timeout_s=1.5)
    client.close()
    assert keeper.wait() == 0


def test_a_kernel_keeps_it(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.restart(RUNTIMED_KEEPER_LINGER_S="0.5")
    pid = ipc_kernel.spawn(client)
    client.close()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(keeper.pid).wait(1)
    os.kill(pid, signal.SIGKILL)
    assert keeper.wait() == 0


def test_a_first_sigterm_is_refused_with_kernels_and_a_second_detaches(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    keeper.signal(signal.SIGTERM)
    client.wait_log("SIGTERM refused: 1 kernels are connected")
    ipc_kernel.send(client, "print(1)", "x.1")
    assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
    end = keeper.end("r1")
    keeper.signal(signal.SIGTERM)
    assert keeper.wait() == 0
    os.kill(pid, 0)
    client = keeper.restart()
    assert ipc_kernel.reconnect(client, end).meta["same_process"]
    ipc_kernel.send(client, "print(2)", "x.2")
    assert ipc_kernel.reply(client, "x.2")["status"] == "ok"


def test_a_sigterm_without_kernels_ends_it(client: Client) -> None:
    client.keeper.signal(signal.SIGTERM)
    assert client.keeper.wait() == 0


def test_an_interrupt_does_nothing(client: Client) -> None:
    client.keeper.signal(signal.SIGINT)
    assert client.hello()["pid"] == client.keeper.pid


def test_a_service_manager_is_told_and_obeyed(keeper: Keeper, ipc_kernel: Kernel) -> None:
    path = os.path.join(keeper.directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        client = keeper.restart(NOTIFY_SOCKET=path, RUNTIMED_KEEPER_LINGER_S="0.05")
        assert manager.recv(100) == b"READY=1"
        client.close()
        client = keeper.connect()
        pid = ipc_kernel.spawn(client)
        keeper.signal(signal.SIGTERM)
        assert keeper.wait() == 0, "it detaches at once: the manager knows what it does"
        assert manager.recv(100) == b"STOPPING=1"
    os.kill(pid, 0)


def test_stop_leaves_kernels_or_ends_them(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    assert "error" not in client.ask("stop", kernels=False)
    assert keeper.wait() == 0
    os.kill(pid, 0)
    end = keeper.end("r1")
    client = keeper.restart()
    ipc_kernel.reconnect(client, end)
    assert "error" not in client.ask("stop", kernels=True)
    assert keeper.wait() == 0
    process = psutil.Process(pid) if psutil.pid_exists(pid) else None
    assert process is None or process.status() == psutil.STATUS_ZOMBIE
    assert keeper.records("r1")[-1].meta["event"] == "exited"


def test_a_keeper_that_is_ending_begins_nothing(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    ipc_kernel.send(client, code, "x.1")
    ipc_kernel.reply(client, "x.1")
    assert "error" not in client.ask("stop", kernels=True)
    other = Kernel(keeper, "r2", "ipc")
    assert other.request_spawn(client)["error"] == "ending"
    assert ipc_kernel.send(client, ipc_kernel.append_truth("x"), "x.2")["error"] == "ending"
    fields: dict[str, Any] = {"connection_file": ipc_kernel.connection_file}
    assert client.ask("open", runtime="r1", channels=["iopub"], **fields)["error"] == "ending"
    assert client.hello()["runtimes"].keys() == {"r1"}
    os.kill(pid, signal.SIGKILL)
    assert keeper.wait() == 0
    assert not keeper.records("r2")
    assert not ipc_kernel.truths()


@pytest.mark.parametrize("op", ["spawn", "open", "send"])
def test_a_keeper_that_was_told_to_detach_begins_nothing(keeper: Keeper, op: str) -> None:
    """In this process: what is left of the turn in which it is told so is ours to order."""
    owner = Owner(keeper.state.create(), ServiceManager())
    header: dict[str, Any] = {"op": op, "runtime": "r1", "argv": ["true"], "connection_file": "/x"}
    header |= {"channels": ["iopub"], "channel": "shell", "incarnation": 0}
    request = Request(header, [b"frame"], lambda body: None, lambda: True)
    owner.terminate()
    try:
        with pytest.raises(Refused) as refused:
            perform(owner, request)
        assert refused.value.code == "ending"
    finally:
        owner.context.destroy(linger=0)


@pytest.mark.parametrize("how", ["stop", "SIGTERM"])
def test_an_open_probe_does_not_hold_up_the_end(
    keeper: Keeper, ipc_kernel: Kernel, how: str
) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    client.wait_heartbeat("r1")
    os.kill(pid, signal.SIGSTOP)
    while any(state != "T" for state in thread_states(pid)):
        time.sleep(0.001)
    probe = client.post("probe", runtime="r1", timeout_ms=600_000)
    for _ in range(2):  # its socket is opened at the end of the turn that reads the first
        client.hello()
    if how == "stop":
        client.post("stop", kernels=False)
    else:
        keeper.signal(signal.SIGTERM)
        client.wait_log("SIGTERM refused")
        keeper.signal(signal.SIGTERM)
    assert client.reply(probe)["heartbeat"] is None
    assert keeper.wait() == 0
    end = keeper.end("r1")
    os.kill(pid, signal.SIGCONT)
    assert ipc_kernel.reconnect(keeper.restart(), end).meta["same_process"]


@pytest.mark.parametrize(
    ("setup", "ending"),
    [
        ("", signal.SIGTERM),
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n", signal.SIGKILL),
    ],
)
def test_what_does_not_end_by_itself_is_killed_children_too(
    keeper: Keeper, ipc_kernel: Kernel, setup: str, ending: int
) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    code = (
        "import subprocess\n"
        "script = 'trap \"\" TERM; echo on; sleep 600; sleep 600'\n"
        "child = subprocess.Popen(['sh', '-c', script], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid)"
    )
    ipc_kernel.send(client, setup + code, "x.1")
    ipc_kernel.reply(client, "x.1")
    child = psutil.Process(int(ipc_kernel.text(keeper.records("r1"), "x.1")))
    client.ask("stop", kernels=True)
    assert keeper.wait() == 0
    exited = keeper.records("r1")[-1]
    assert (exited.meta["pid"], exited.meta["signal"]) == (pid, ending)
    gone, alive = psutil.wait_procs([child], timeout=0.1)
    assert gone or alive[0].status() == psutil.STATUS_ZOMBIE
