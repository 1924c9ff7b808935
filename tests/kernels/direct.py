"""A kernel spoken to by its connection file, with jupyter_client, as any front end does."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import psutil
import zmq
from jupyter_client.blocking.client import BlockingKernelClient

from tests.kernels.client import ANSWER_S, Executed, Shown, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_OUTPUTS = ("stream", "display_data", "update_display_data", "execute_result", "error")


class DirectClient:
    """A `Messenger`. ``send_interrupt`` has the kernel's owner do it, None where it must not be."""

    def __init__(
        self,
        connection_file: Path,
        pid: int,
        settle: str | None,
        send_interrupt: Callable[[], None] | None = None,
    ) -> None:
        self._client = BlockingKernelClient(connection_file=str(connection_file))
        self._client.load_connection_file()
        self._client.start_channels(hb=False)
        self._pid = pid
        self._settle = settle
        self._send_interrupt = send_interrupt
        self._sent: set[str] = set()
        self._welcomed = False
        self._wait_for_iopub()

    def close(self) -> None:
        self._client.stop_channels()

    def execute(self, code: str, answer: str | None = None) -> Executed:
        executed = Executed()
        msg_id = self._execute(code)
        self._follow({msg_id: executed}, answer)
        if self._settle is not None:
            self._follow({msg_id: executed, self._execute(self._settle): Executed()})
        return executed

    def interrupt(self, code: str) -> Executed | None:
        if self._send_interrupt is None:
            return None
        msg_id = self._execute(code)
        executed = Executed()
        for channel, message in self._messages():
            self._take({msg_id: executed}, channel, message)
            if "begun" in executed.stream("stdout"):
                break
        self._send_interrupt()
        self._follow({msg_id: executed})
        return executed

    def shutdown(self) -> bool:
        """Its owner ends what does not end."""
        process = psutil.Process(self._pid)
        msg_id = self._client.shutdown()
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            # Its parent waits for it in its own time, and meanwhile it is a zombie.
            is_gone = not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
            while self._client.control_channel.msg_ready():
                message = self._client.control_channel.get_msg(timeout=0)
                if message["parent_header"].get("msg_id") == msg_id:
                    return bool(message["content"].get("status", "ok") == "ok")
            if is_gone:
                return False
            time.sleep(0.02)
        return False

    def was_welcomed(self) -> bool:
        return self._welcomed

    def ask(self, msg_type: str, **content: Any) -> dict[str, Any]:
        msg_id = self._send(msg_type, content)
        barrier = self._send("kernel_info_request", {})
        reply = None
        for channel, message in self._messages():
            if channel != "shell":
                continue
            parent = message["parent_header"].get("msg_id")
            if parent == msg_id:
                reply = dict(message["content"])
            if parent == barrier:
                break
        if reply is None:
            raise Unanswered(msg_type)
        return reply

    def heartbeat(self) -> bool:
        info = self._client.get_connection_info()
        separator = ":" if info["transport"] == "tcp" else "-"
        address = f"{info['transport']}://{info['ip']}{separator}{info['hb_port']}"
        context = zmq.Context()
        try:
            with context.socket(zmq.REQ) as socket:
                socket.connect(address)
                socket.send(b"ping")
                return bool(socket.poll(int(ANSWER_S * 1000))) and socket.recv() == b"ping"
        finally:
            context.destroy(linger=0)

    def comm(self, target: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        comm = uuid.uuid4().hex
        self._send("comm_open", {"comm_id": comm, "target_name": target, "data": {}})
        self._send("comm_msg", {"comm_id": comm, "data": data})
        self._send("comm_close", {"comm_id": comm, "data": {}})
        barrier = self._send("kernel_info_request", {})
        came = []
        for channel, message in self._messages():
            if channel != "iopub":
                continue
            if message["content"].get("comm_id") == comm:
                came.append({"msg_type": message["header"]["msg_type"], **message["content"]})
            if _is_idle(message, barrier):
                break
        return came

    def _wait_for_iopub(self) -> None:
        """Ask until a status shows that the subscription has reached the kernel."""
        deadline = time.monotonic() + 2 * ANSWER_S
        while time.monotonic() < deadline:
            msg_id = self._send("kernel_info_request", {})
            try:
                for channel, message in self._messages(1.0):
                    if channel == "iopub" and _is_idle(message, msg_id):
                        return
            except TimeoutError:
                continue
        raise TimeoutError("the kernel does not answer")

    def _execute(self, code: str) -> str:
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": True}
        return self._send(
            "execute_request", content | {"stop_on_error": False, "user_expressions": {}}
        )

    def _send(self, msg_type: str, content: dict[str, Any]) -> str:
        message = self._client.session.msg(msg_type, content)
        self._client.shell_channel.send(message)
        msg_id = str(message["header"]["msg_id"])
        self._sent.add(msg_id)
        return msg_id

    def _follow(self, requests: dict[str, Executed], answer: str | None = None) -> None:
        """Take in what comes of these requests, until all have ended."""
        for channel, message in self._messages():
            self._take(requests, channel, message)
            if channel == "stdin":
                self._client.input(answer or "")
            if all(each.status and "idle" in each.states for each in requests.values()):
                return

    def _take(self, requests: dict[str, Executed], channel: str, message: dict[str, Any]) -> None:
        msg_type, content = message["header"]["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id")
        executed = requests.get(parent)
        if msg_type in _OUTPUTS and parent not in self._sent:
            next(iter(requests.values())).strays += 1
        elif executed is None:
            return
        elif channel == "stdin":
            executed.prompts.append(content["prompt"])
        elif channel == "shell":
            # "abort" is what some kernels say for "aborted".
            executed.status = content["status"].replace("aborted", "abort")
            executed.count = content.get("execution_count")
        elif msg_type == "status":
            executed.states.append(content["execution_state"])
        elif msg_type == "execute_input":
            executed.begun = True
        elif msg_type in _OUTPUTS:
            executed.shown.append(Shown(msg_type, content))

    def _messages(self, wait_s: float = ANSWER_S) -> Iterator[tuple[str, dict[str, Any]]]:
        """Iterate over what comes, with its channel. Raises `TimeoutError` when nothing does."""
        channels = {
            channel.socket: (name, channel)
            for name, channel in (
                ("iopub", self._client.iopub_channel),
                ("shell", self._client.shell_channel),
                ("stdin", self._client.stdin_channel),
            )
        }
        poller = zmq.Poller()
        for socket in channels:
            poller.register(socket, zmq.POLLIN)
        while ready := poller.poll(int(wait_s * 1000)):
            for socket, _ in ready:
                name, channel = channels[socket]
                message = channel.get_msg(timeout=0)
                # null is what xeus says where there is none.
                message["parent_header"] = message["parent_header"] or {}
                if message["header"]["msg_type"] == "iopub_welcome":
                    self._welcomed = True
                yield name, message
        raise TimeoutError


def _is_idle(message: dict[str, Any], parent: str) -> bool:
    is_answer = message["parent_header"].get("msg_id") == parent
    return is_answer and bool(message["content"].get("execution_state") == "idle")
