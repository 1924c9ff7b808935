"""Kernels that cost next to nothing: one process has imported all that they need, and forks them.

Somebody else's are started by `FakeKernels.start`. Of a kernelspec's, what is spawned is ``sleep``:
its argv sends the connection file to the zygote, and what that forks answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.session import Session

from runtimed.kernels.launch import CHANNELS, read_connection_file
from tests.harness.jupyter import write_kernelspec

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "fake"
_ANNOUNCE = (
    "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
    "s.sendall(sys.argv[2].encode()); s.close(); os.execvp('sleep', ['sleep', 'infinity'])"
)
_KERNEL_INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "fake",
    "implementation_version": "0",
    "language_info": {"name": "fake", "version": "0", "mimetype": "", "file_extension": ""},
    "banner": "",
    "help_links": [],
}


@dataclass(frozen=True)
class FakeKernels:
    """The zygote, by its socket."""

    socket_path: Path

    def start(self, connection_file: Path) -> int:
        """Start a kernel that nobody we know of owns; return its pid once it listens."""
        with socket.socket(socket.AF_UNIX) as told:
            told.connect(str(self.socket_path))
            told.sendall(str(connection_file).encode())
            told.shutdown(socket.SHUT_WR)
            said = told.makefile().read()
        assert said, f"no kernel listens as {connection_file} says"
        return int(said)


@contextmanager
def serving(jupyter_dir: Path, socket_path: Path) -> Iterator[FakeKernels]:
    """Install the kernelspec and serve its kernels; all of them end with the block."""
    argv = [sys.executable, "-I", "-S", "-c", _ANNOUNCE, str(socket_path), "{connection_file}"]
    write_kernelspec(jupyter_dir, NAME, argv=argv, language="fake")
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.harness.fake_kernels", str(socket_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert zygote.stdout is not None
    try:
        assert zygote.stdout.readline() == b"ready\n"
        yield FakeKernels(socket_path)
    finally:
        os.killpg(zygote.pid, signal.SIGKILL)
        zygote.wait()
        zygote.stdout.close()


class FakeKernel:
    """Answers kernel_info_request and execute_request; what is executed is always 2."""

    def __init__(self, connection_file: str) -> None:
        info = read_connection_file(connection_file)
        self.session = Session(key=info["key"].encode(), signature_scheme="hmac-sha256")
        self.context = zmq.Context()
        types = {"iopub": zmq.PUB, "hb": zmq.REP}
        self.sockets = {}
        for channel in CHANNELS:
            bound = self.sockets[channel] = self.context.socket(types.get(channel, zmq.ROUTER))
            port = info[f"{channel}_port"]
            if info["transport"] == "ipc":
                bound.bind(f"ipc://{info['ip']}-{port}")
            else:
                bound.bind(f"tcp://{info['ip']}:{port}")
        self.count = 0

    def serve(self) -> None:
        """Answer until a shutdown_request comes."""
        poller = zmq.Poller()
        for channel in ("shell", "control", "hb"):
            poller.register(self.sockets[channel], zmq.POLLIN)
        while True:
            for ready, _ in poller.poll():
                if ready is self.sockets["hb"]:
                    ready.send_multipart(ready.recv_multipart())
                elif not self._answer(ready):
                    return

    def _answer(self, channel: zmq.Socket[bytes]) -> bool:
        idents, request = self.session.recv(channel)
        assert request is not None
        kind = request["msg_type"]

        def publish(msg_type: str, content: dict[str, Any]) -> None:
            self.session.send(self.sockets["iopub"], msg_type, content, parent=request)

        def reply(content: dict[str, Any]) -> None:
            msg_type = kind.replace("_request", "_reply")
            self.session.send(channel, msg_type, content, parent=request, ident=idents)

        publish("status", {"execution_state": "busy"})
        if kind == "kernel_info_request":
            reply(_KERNEL_INFO)
        elif kind == "execute_request":
            self.count += 1
            count = {"execution_count": self.count}
            publish("execute_input", {"code": request["content"]["code"], **count})
            publish("execute_result", {"data": {"text/plain": "2"}, "metadata": {}, **count})
            reply({"status": "ok", "user_expressions": {}, "payload": [], **count})
        else:
            reply({"status": "ok", "restart": False})
        publish("status", {"execution_state": "idle"})
        return bool(kind != "shutdown_request")


def main(socket_path: str) -> None:
    """Fork a kernel for every connection file that is told us."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(socket_path)
    server.listen(512)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        client, _ = server.accept()
        with client:
            connection_file = client.makefile().read()
            if os.fork() == 0:
                server.close()
                kernel = FakeKernel(connection_file)
                with contextlib.suppress(OSError):  # a kernelspec's argv does not wait for it
                    client.sendall(str(os.getpid()).encode())
                client.close()
                kernel.serve()
                os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
