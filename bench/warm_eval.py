"""Figure 1: warm ``1 + 1`` through the socket, durably recorded ÷ raw ZeroMQ, same kernel."""

from __future__ import annotations

import statistics
import sys
import time

import zmq
from jupyter_client.session import Session

from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeStart
from runtimed.client.blocking import connect
from runtimed.kernels.launch import read_connection_file

ROUNDS = 300


class RawKernel:
    """The least that a client can do: two sockets, one request, reply and idle."""

    def __init__(self, connection_file: str) -> None:
        info = read_connection_file(connection_file)
        self.session = Session(key=info["key"].encode(), signature_scheme="hmac-sha256")
        context = zmq.Context.instance()

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
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        request = self.session.send(self.shell, "execute_request", content)
        msg_id = request["header"]["msg_id"]
        replied = idled = False
        while not (replied and idled):
            for socket, _ in self.poller.poll():
                _, message = self.session.recv(socket)
                if message["parent_header"].get("msg_id") != msg_id:
                    continue
                if message["msg_type"] == "execute_reply":
                    replied = True
                elif message["msg_type"] == "status":
                    idled = message["content"]["execution_state"] == "idle"


def timed(action) -> float:  # type: ignore[no-untyped-def]
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    with connect() as client:
        runtime = client.call(RuntimeStart(kernel="python3"))
        raw = RawKernel(runtime.connection_file)
        for _ in range(20):
            raw.run("1 + 1")
            client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(timed(lambda: raw.run("1 + 1")))
            ours.append(timed(lambda: client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))))
    a, b = statistics.median(ours), statistics.median(theirs)
    sys.stdout.write(f"warm 1 + 1: ours {a:.2f} ms, raw {b:.2f} ms, ratio {a / b:.3f}\n")


if __name__ == "__main__":
    main()
