"""The link: one daemon at a time, and never waiting for it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.keeper import link as server
from runtimed.keeper.loop import Loop
from runtimed.wire import link
from tests.harness.keeper import KEEPER, Client, Keeper, events

if TYPE_CHECKING:
    from runtimed.keeper.request import Request
    from tests.harness.keeper import Kernel


def test_the_socket_is_for_our_eyes_only(client: Client) -> None:
    mode = os.stat(client.keeper.state.keeper_socket).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_another_user_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> None:
    loop = Loop()
    path = os.path.join(keeper.directory, "sock")
    door = server.Link(loop, server.listen(path), dict, lambda request: None, lambda: None)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(path)
        assert server.peer_uid(stranger) == os.getuid()
        stranger.sendall(link.encode({"op": "hello", "n": 1}))
        us = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: us + 1)
        loop.later(0.1, loop.stop)
        loop.run()
        door.close()
        with pytest.raises(ConnectionResetError):
            stranger.recv(100)


def test_a_second_keeper_is_refused_in_a_sentence(client: Client) -> None:
    second = subprocess.run(
        [*KEEPER, "--state-dir", client.keeper.state.dir], capture_output=True, text=True
    )
    assert second.returncode == 75
    assert second.stderr.count("\n") == 1
    assert "another keeper serves" in second.stderr
    assert client.ask("probe", runtime="none", timeout_ms=1)["error"] == "unknown_runtime"


def test_a_state_directory_that_others_can_read_is_refused(keeper: Keeper) -> None:
    os.mkdir(keeper.state.dir, 0o755)
    process = keeper.begin()
    assert process.wait(30) == 73
    assert "mode 0755" in keeper.log()
    assert stat.S_IMODE(os.stat(keeper.state.dir).st_mode) == 0o755, "refused, not repaired"


def test_a_state_directory_whose_socket_path_is_too_long_is_refused(keeper: Keeper) -> None:
    process = subprocess.run(
        [*KEEPER, "--state-dir", f"{keeper.directory}/{'x' * 100}"], capture_output=True, text=True
    )
    assert process.returncode == 73
    assert "socket path is" in process.stderr


def test_nothing_is_answered_before_a_hello(keeper: Keeper) -> None:
    client = keeper.start().connect(hello=False)
    assert client.ask("stop", kernels=True)["error"] == "no_hello"
    with pytest.raises((EOFError, ConnectionError)):
        client.read()
    keeper.connect()


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 8, b"\x06\0\0\0\x02\0\0\0[]"])
def test_who_speaks_something_else_is_hung_up_on(keeper: Keeper, junk: bytes) -> None:
    client = keeper.start().connect(hello=False)
    client._socket.sendall(junk)
    with pytest.raises((EOFError, ConnectionError)):
        client.read()
    keeper.connect()


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("nonsense", {}),
        ("", {}),
        ("spawn", {}),
        ("spawn", {"runtime": "r", "argv": "ls"}),
        ("spawn", {"runtime": "r", "argv": []}),
        ("spawn", {"runtime": "../r", "argv": ["x"], "connection_file": "/x"}),
        ("spawn", {"runtime": "r", "argv": ["x", 1], "connection_file": "/x"}),
        ("open", {"runtime": "r", "channels": ["hb"], "connection_file": "/x"}),
        ("send", {"runtime": "r", "channel": "iopub", "incarnation": 1}),
        ("send", {"runtime": "r", "channel": "shell", "incarnation": 1}),
    ],
)
def test_a_bad_request_is_refused_and_the_link_lives(
    client: Client, op: str, fields: dict[str, Any]
) -> None:
    assert client.ask(op, **fields)["error"] == "bad_request"
    assert client.hello()["runtimes"].get("r") is None


def test_a_hello_tells_all_there_is_to_know(client: Client, ipc_kernel: Kernel) -> None:
    pid = ipc_kernel.spawn(client)
    hello = client.keeper.connect().hello()
    assert hello["version"] == link.VERSION
    assert hello["pid"] == client.keeper.pid
    known = hello["runtimes"]["r1"]
    assert known["end"] <= client.keeper.end("r1")
    assert {**known, "end": 0} == {
        "incarnation": 1,
        "pid": pid,
        "alive": True,
        "connected": True,
        "end": 0,
    }
    assert hello["epoch"] == 3, "each hello is an epoch of its own"


def test_what_a_fenced_daemon_sent_and_we_have_not_read_is_never_done(
    client: Client, ipc_kernel: Kernel
) -> None:
    keeper = client.keeper
    ipc_kernel.spawn(client)
    # Stopped, the keeper finds both daemons at once when it goes on: the old one's dispatch was
    # there first. The new one dispatches the same again under another id of its own.
    keeper.signal(signal.SIGSTOP)
    frames = ipc_kernel.execute(ipc_kernel.append_truth("old"), "old.1")
    new = keeper.connect(hello=False)
    greeting = new.post("hello", pid=1, version=1)
    client.post("send", frames, **ipc_kernel.address("old.1"))
    keeper.signal(signal.SIGCONT)
    new.reply(greeting)
    done = [r.meta.get("id") for r in keeper.records("r1")]
    ipc_kernel.send(new, ipc_kernel.append_truth("new"), "new.1")
    ipc_kernel.reply(new, "new.1")
    # Whichever of the two it read first, nothing of the old one's is done after the new hello.
    after = [r.meta.get("id") for r in keeper.records("r1")]
    assert ("old.1" in done) == ("old.1" in after)
    assert ipc_kernel.truths() == (["old", "new"] if "old.1" in done else ["new"])
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            client.read()


def test_frames_behind_the_one_that_is_being_handled_are_discarded_with_the_rest(
    keeper: Keeper,
) -> None:
    """Deterministic: both in one process, the order of reading is ours."""
    loop = Loop()
    done: list[object] = []
    path = os.path.join(keeper.directory, "sock")

    def perform(request: Request) -> None:
        done.append(request.header["runtime"])
        if request.header["runtime"] == "first":
            new.sendall(link.encode({"op": "hello", "n": 1}))
            second.readable()

    door = server.Link(loop, server.listen(path), dict, perform, lambda: None)
    old, new = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    with old, new:
        connections = []
        for client in (old, new):
            client.connect(path)
            stream, _ = door._listener.accept()
            stream.setblocking(False)
            connections.append(server.Connection(door, stream))
        first, second = connections
        old.sendall(link.encode({"op": "hello", "n": 1}))
        for name in ("first", "second", "third"):
            old.sendall(link.encode({"op": "forget", "n": 2, "runtime": name}))
        first.readable()
        assert done == ["first"]
        assert not first.is_open
        assert second.is_open
        door.close()


def test_a_daemon_that_reads_nothing_stops_neither_the_journal_nor_an_interrupt(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    # Fewer than the 1,000 messages that the kernel keeps for a reader who gets no processor time.
    code = "import time\nfor i in range(900): print(i, flush=True)\ntime.sleep(600)"
    ipc_kernel.send(client, code, "x.1")
    # 20,000 questions whose answers nobody reads: the link is blocked in both directions.
    client._socket.setblocking(False)
    asked = 0
    try:
        while asked < 20000:
            client.post("probe", runtime="none" * 100, timeout_ms=1)
            asked += 1
    except BlockingIOError:
        pass
    assert asked > 100
    keeper = client.keeper
    other = Client(keeper)  # it does not greet, and so fences nobody
    last = other.wait("r1", lambda r: "899\n" in ipc_kernel.text([r], "x.1"))
    other.close()
    # And when it reads again, it is told how far the journal reaches.
    while client.bells.get("r1", 0) < last.end:
        client.read()


def test_commands_of_a_daemon_that_has_died_meanwhile_are_harmless(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    client.post("send", ipc_kernel.execute("1", "x.1"), **ipc_kernel.address("x.1"))
    client.close()
    again = client.keeper.connect()
    assert ipc_kernel.send(again, "1", "x.1").keys() & {"already", "sent"}
    ipc_kernel.reply(again, "x.1")
    assert [r.meta["id"] for r in client.keeper.records("r1") if r.kind == 2] == ["x.1"]


def test_a_forgotten_runtime_is_gone_and_its_kernel_lives(
    client: Client, ipc_kernel: Kernel
) -> None:
    pid = ipc_kernel.spawn(client)
    assert "error" not in client.ask("forget", runtime="r1")
    assert client.hello()["runtimes"] == {}
    assert client.ask("rotate", runtime="r1")["error"] == "unknown_runtime"
    os.kill(pid, 0)
    records = client.keeper.records("r1")
    assert events(records)[-1] == "connected"
    assert Path(client.keeper.state.journal("r1")).is_dir()
