"""A kernel that somebody else started, and somebody else who uses a kernel."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient

from runtimed.host import process_start_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.keeper import Client, Kernel


class foreign:
    """A kernel that somebody else started, ready to be connected to."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        with open(kernel.stderr, "ab") as log:
            self.process = subprocess.Popen(kernel.argv, stdout=log, stderr=log)

    def __enter__(self) -> subprocess.Popen[bytes]:
        content = json.loads(Path(self.kernel.connection_file).read_text())
        with zmq.Context() as context, context.socket(zmq.REQ) as heartbeat:
            heartbeat.linger = 0
            host, port = content["ip"], content["hb_port"]
            tcp = content["transport"] == "tcp"
            heartbeat.connect(f"tcp://{host}:{port}" if tcp else f"ipc://{host}-{port}")
            heartbeat.send(b"")
            heartbeat.recv()
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def adopt(client: Client, kernel: Kernel, pid: int | None) -> dict[str, Any]:
    """Have the keeper connect to a kernel that it did not start; return its answer."""
    return client.ask(
        "open",
        runtime=kernel.runtime,
        connection_file=kernel.connection_file,
        pid=pid,
        start_time=None if pid is None else process_start_time(pid),
        launched=False,
        channels=["iopub", "control"],
    )


@contextmanager
def other_client(kernel: Kernel) -> Iterator[BlockingKernelClient]:
    """Connect to a kernel past the keeper, in a session of one's own."""
    other = BlockingKernelClient(connection_file=kernel.connection_file)
    other.load_connection_file()
    other.start_channels()
    other.wait_for_ready(timeout=30)
    try:
        yield other
    finally:
        other.stop_channels()
