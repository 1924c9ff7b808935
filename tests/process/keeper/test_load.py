"""Storms, large messages, many sockets."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time

import pytest

from tests.harness.keeper import Client, Kernel

UNBOUNDED_IOPUB = (
    "from ipykernel.kernelapp import IPKernelApp\n"
    "import zmq\n"
    "IPKernelApp.instance().iopub_thread.socket.setsockopt(zmq.SNDHWM, 0)\n"
)


def displays(client: Client, kernel: Kernel, parent: str) -> list[str]:
    return [
        kernel.received(r)["content"]["data"]["text/plain"]
        for r in client.keeper.records("r1")
        if kernel.is_message(r, "display_data", parent)
    ]


def test_a_stopped_keeper_has_all_displays_afterwards(client: Client, kernel: Kernel) -> None:
    kernel.spawn(client)
    kernel.send(client, UNBOUNDED_IOPUB, "x.0", None)
    kernel.reply(client, "x.0")
    code = "for i in range(8000): display({'text/plain': str(i)}, raw=True)\nprint('end')"
    kernel.send(client, code, "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "display_data", "x.1"))
    client.keeper.signal(signal.SIGSTOP)
    time.sleep(2)  # the two seconds are the point: the kernel goes on meanwhile
    client.keeper.signal(signal.SIGCONT)
    client.wait("r1", lambda r: kernel.is_message(r, "stream", "x.1"))
    assert displays(client, kernel, "x.1") == [str(i) for i in range(8000)]


def test_a_storm_of_one_kernel_does_not_hold_up_another(client: Client, kernel: Kernel) -> None:
    other = Kernel(client.keeper, "r2", "ipc")
    kernel.spawn(client)
    other.spawn(client)
    kernel.send(client, "while True: print('x' * 1000, flush=True)", "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "stream", "x.1"))
    for number in range(20):
        assert "sent" in other.send(client, "1", f"y.{number}")
        assert other.reply(client, f"y.{number}")["status"] == "ok"
    address = {"runtime": "r1", "incarnation": 1, "parent": "x.1", "signal": signal.SIGINT}
    number = client.post("interrupt", None, **address)
    assert client.reply(number)["delivered"]


def test_a_large_message_arrives_byte_for_byte(client: Client, kernel: Kernel) -> None:
    kernel.spawn(client)
    code = (
        "import hashlib, random\n"
        "data = random.randbytes(20_000_000).hex()\n"
        "print(hashlib.sha256(data.encode()).hexdigest())\n"
        "display({'text/plain': data}, raw=True)"
    )
    kernel.send(client, code, "x.1")
    kernel.reply(client, "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "display_data", "x.1"))
    (data,) = displays(client, kernel, "x.1")
    digest = kernel.text(client.keeper.records("r1"), "x.1").strip()
    assert hashlib.sha256(data.encode()).hexdigest() == digest


def test_buffers_are_journaled_as_they_came(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    code = (
        "from comm import create_comm\n"
        "create_comm(target_name='t', buffers=[bytes(range(256)), b'', bytes(100_000)])"
    )
    ipc_kernel.send(client, code, "x.1")
    record = client.wait("r1", lambda r: ipc_kernel.is_message(r, "comm_open", "x.1"))
    assert [bytes(f) for f in record.frames[-3:]] == [bytes(range(256)), b"", bytes(100_000)]


@pytest.mark.parametrize("sockets", [1500])
def test_there_may_be_more_sockets_than_zeromq_allows_by_default(sockets: int) -> None:
    code = (
        "import zmq\n"
        "from runtimed.keeper.process import raise_file_limit\n"
        "from runtimed.keeper.channel import open_context\n"
        "raise_file_limit()\n"
        "context = open_context()\n"
        f"sockets = [context.socket(zmq.DEALER) for _ in range({sockets})]\n"
        "print(len(sockets))\n"
        "context.destroy(linger=0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{sockets}\n", "")
