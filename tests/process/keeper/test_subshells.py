"""What runs on a subshell of a real kernel, beside the main shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.harness.keeper import Client, Kernel


def test_what_runs_on_a_subshell_does_not_hide_what_an_interrupt_is_for(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "1", "x.0")
    ipc_kernel.reply(client, "x.0")
    control = {**ipc_kernel.address("c.1"), "channel": "control"}
    client.ask("send", ipc_kernel.message("create_subshell_request", {}, "c.1"), **control)
    subshell = ipc_kernel.reply(client, "c.1", "create_subshell_reply")["subshell_id"]
    ipc_kernel.send(client, "import time\nprint('on')\ntime.sleep(600)", "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.1"))

    def send_beside(code: str, msg_id: str) -> None:
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        frames = ipc_kernel.message("execute_request", content, msg_id, subshell_id=subshell)
        assert "sent" in client.ask("send", frames, **ipc_kernel.address(msg_id))

    send_beside("print('beside')", "s.1")
    assert ipc_kernel.reply(client, "s.1")["status"] == "ok"
    send_beside("import threading; print('waits'); threading.Event().wait(600)", "s.2")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "s.2"))
    interrupt: dict[str, Any] = {"runtime": "r1", "incarnation": 1, "signal": 2}
    refused = client.ask("interrupt", parent="s.2", **interrupt)
    assert (refused["delivered"], refused["reason"]) == (False, "not_running")
    assert client.ask("interrupt", parent="x.1", **interrupt)["delivered"]
    assert ipc_kernel.reply(client, "x.1")["ename"] == "KeyboardInterrupt"
