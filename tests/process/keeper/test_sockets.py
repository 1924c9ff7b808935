"""A socket set against a peer that dies while the keeper is busy with something else."""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zmq

from runtimed.keeper.channel import MESSAGES_PER_TURN, open_context
from runtimed.keeper.endpoints import Endpoints, _self_connected
from runtimed.keeper.loop import Loop
from runtimed.keeper.sockets import SocketSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.keeper.channel import Frames
    from tests.harness.keeper import Keeper, Kernel

MESSAGES = 5000

# It waits for a line, publishes at a pace that no queue of its own overflows, and dies.
PEER = f"""
import json, os, sys, time, zmq
connection = json.load(open(sys.argv[1]))
context = zmq.Context()
sockets = {{}}
for name in ("shell", "iopub", "stdin", "control", "hb"):
    sockets[name] = context.socket(zmq.XPUB if name == "iopub" else zmq.ROUTER)
    tcp = connection["transport"] == "tcp"
    separator = ":" if tcp else "-"
    port = connection[name + "_port"]
    sockets[name].bind(f"{{connection['transport']}}://{{connection['ip']}}{{separator}}{{port}}")
print("bound", flush=True)
sockets["iopub"].recv()
input()
for i in range({MESSAGES}):
    sockets["iopub"].send_multipart([b"%d" % i, bytes(1000)])
    if i % 100 == 0:
        time.sleep(0.005)
time.sleep(0.5)
os.kill(os.getpid(), 9)
"""


NEXT_PEER = PEER.partition('sockets["iopub"].recv()')[0] + "print(sockets['shell'].poll(500))"


@pytest.fixture
def peer(kernel: Kernel) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-c", PEER, kernel.connection_file]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"bound\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with open_context() as context:
        yield context


def test_nothing_that_arrived_is_lost_when_the_peer_dies_before_it_is_read(
    kernel: Kernel,
    peer: subprocess.Popen[bytes],
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    """Fails with RECONNECT_IVL=-1, with IMMEDIATE=1, and with a receive queue that has a limit."""
    loop = Loop()
    received: list[bytes] = []
    ended: list[str] = []

    def on_message(channel: str, frames: Frames) -> None:
        received.append(bytes(frames[0]))

    def on_end(channel: str) -> None:
        ended.append(channel)
        loop.stop()

    sockets = SocketSet(
        context, loop, Endpoints.load(kernel.connection_file), b"id", on_message, on_end
    )
    opened: list[str | None] = []

    def done(reason: str | None) -> None:
        opened.append(reason)
        loop.stop()

    sockets.open(["iopub", "shell"], done)
    loop.run()
    assert opened == [None]
    peer.communicate(b"go\n")  # and nobody reads until it is dead
    monitor = sockets._channels["iopub"]._monitor_fd
    assert select.select([monitor], [], [], 10)[0], "the end of the connection was noticed"
    assert sockets._channels["iopub"].turn(), "there is more than a turn's budget"
    assert len(received) == MESSAGES_PER_TURN
    loop.run()
    assert received == [b"%d" % i for i in range(MESSAGES)]
    assert ended in (["iopub"], ["shell"])


def test_a_set_is_not_usable_from_the_moment_that_one_connection_is_lost(
    kernel: Kernel,
    peer: subprocess.Popen[bytes],
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    loop = Loop()
    sockets = SocketSet(
        context,
        loop,
        Endpoints.load(kernel.connection_file),
        b"id",
        lambda channel, frames: None,
        lambda channel: None,
    )
    sockets.open(["iopub", "shell"], lambda reason: loop.stop())
    loop.run()
    assert sockets.verify()
    peer.kill()
    peer.wait()
    select.select([sockets._channels["shell"]._monitor_fd], [], [], 10)
    assert not sockets.verify(), "known before the loop has turned"
    sockets.close()


def test_a_socket_never_connects_to_the_next_process_at_its_address(
    kernel: Kernel,
    peer: subprocess.Popen[bytes],
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    loop = Loop()
    sockets = SocketSet(
        context,
        loop,
        Endpoints.load(kernel.connection_file),
        b"id",
        lambda channel, frames: None,
        lambda channel: None,
    )
    sockets.open(["shell"], lambda reason: loop.stop())
    loop.run()
    peer.kill()
    peer.wait()
    select.select([sockets._channels["shell"]._monitor_fd], [], [], 10)
    sockets.send("shell", [b"old code"])
    argv = [sys.executable, "-c", NEXT_PEER, kernel.connection_file]
    received = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert received == "bound\n0\n"
    sockets.close()


def test_what_arrived_is_not_forgotten_over_a_send(
    keeper: Keeper, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    """A send reads the socket's signals too: its descriptor then tells of nothing any more."""
    loop = Loop()
    received: list[bytes] = []

    def on_message(channel: str, frames: Frames) -> None:
        received.append(bytes(frames[0]))

    prefix = os.path.join(keeper.directory, "k")
    endpoints = Endpoints("ipc", prefix, {"shell": 1})
    with context.socket(zmq.ROUTER) as router:
        router.bind(f"ipc://{prefix}-1")
        sockets = SocketSet(context, loop, endpoints, b"id", on_message, lambda channel: None)
        sockets.open(["shell"], lambda reason: loop.stop())
        loop.run()
        sockets.send("shell", [b"question"])
        identity, _ = router.recv_multipart()
        assert identity == b"id"
        router.send_multipart([identity, b"answer"])
        assert select.select([sockets._channels["shell"]._fd], [], [], 10)[0]
        sockets.send("shell", [b"another question"])
        assert received == [b"answer"]
        sockets.close()


def test_a_free_port_that_tcp_connects_to_itself_is_nobody() -> None:
    """Of all the free ports that are knocked at, now and then one is also chosen as the source."""
    with socket.socket() as raw:
        raw.bind(("127.0.0.1", 0))
        raw.connect(raw.getsockname())
        assert _self_connected(raw) == errno.ECONNREFUSED
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as raw:
            assert _self_connected(raw) == 0
