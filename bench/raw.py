"""The least that a client of a kernel can do, to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.session import Session

from runtimed.kernels.launch import read_connection_file

if TYPE_CHECKING:
    from collections.abc import Iterator


class RawKernel:
    """Two sockets; one request, its reply and its idle."""

    def __init__(self, connection_file: str) -> None:
        info = read_connection_file(connection_file)
        self.session = Session(key=info["key"].encode(), signature_scheme="hmac-sha256")
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()

        def address(channel: str) -> str:
            port = info[f"{channel}_port"]
            if info["transport"] == "ipc":
                return f"ipc://{info['ip']}-{port}"
            return f"tcp://{info['ip']}:{port}"

        self.iopub = context.socket(zmq.SUB)
        self.iopub.setsockopt(zmq.SUBSCRIBE, b"")
        self.iopub.connect(address("iopub"))
        self.shell = context.socket(zmq.DEALER)
        self.shell.connect(address("shell"))
        self.poller = zmq.Poller()
        self.poller.register(self.iopub, zmq.POLLIN)
        self.poller.register(self.shell, zmq.POLLIN)

    def run(self, code: str) -> None:
        """Execute the code and wait for reply and idle."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        request = self.session.send(self.shell, "execute_request", content)
        assert request is not None
        replied = idled = False
        for message in self._answers(request["header"]["msg_id"]):
            if message["msg_type"] == "execute_reply":
                replied = True
            elif message["msg_type"] == "status":
                idled = message["content"]["execution_state"] == "idle"
            if replied and idled:
                return

    def _answers(self, msg_id: str) -> Iterator[dict[str, Any]]:
        while True:
            for socket, _ in self.poller.poll():
                _, message = self.session.recv(socket)
                if message is not None and message["parent_header"].get("msg_id") == msg_id:
                    yield message

    def close(self) -> None:
        self.iopub.close(0)
        self.shell.close(0)
