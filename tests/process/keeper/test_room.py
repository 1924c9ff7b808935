"""A keeper under a low limit of file descriptors."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtimed.keeper.endpoints import CHANNELS
from runtimed.keeper.room import PER_CHANNEL, PER_KERNEL, RESERVED
from tests.harness.adopted import adopt, foreign
from tests.harness.keeper import Keeper, Kernel

if TYPE_CHECKING:
    from tests.harness.keeper import Client

LIMIT = 180


def sleeper(client: Client, name: str) -> dict[str, Any]:
    """Start what never listens: its channels are promised for as long as it lives."""
    kernel = Kernel(client.keeper, name, "ipc")
    argv = ["sh", "-c", "exec sleep 600", kernel.connection_file]
    return kernel.request_spawn(client, argv=argv)


def refuse_in_the_end(answers: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the answers up to the first refusal, and that."""
    taken: list[dict[str, Any]] = []
    for answer in answers:
        if "error" in answer:
            return taken, answer
        taken.append(answer)
    raise AssertionError


def test_what_there_is_no_room_for_is_refused_with_the_numbers(keeper: Keeper) -> None:
    keeper.wrapper = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh"]
    client = keeper.start().connect()
    taken, refused = refuse_in_the_end(sleeper(client, f"s{n}") for n in range(LIMIT))
    assert taken
    each = PER_CHANNEL * len(CHANNELS) + PER_KERNEL
    assert len(taken) * each <= LIMIT - RESERVED, "all of them could still be connected"
    assert refused["error"] == "no_room"
    limit, used, needed, reserved = map(int, re.findall(r"\d+", refused["message"]))
    assert (limit, reserved) == (LIMIT, RESERVED)
    assert used + needed + reserved > limit
    assert not keeper.records(f"s{len(taken)}"), "it was not begun"
    os.kill(taken[0]["pid"], signal.SIGKILL)
    client.event("s0", "exited")
    assert "pid" in sleeper(client, f"s{len(taken)}")


def test_where_there_is_no_room_what_is_connected_goes_on(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    keeper.wrapper = ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh"]
    client = keeper.start().connect()
    with foreign(ipc_kernel) as process, socket.create_server(("127.0.0.1", 0)) as silent:
        adopt(client, ipc_kernel, process.pid)
        ipc_kernel.reconnect(client, 0)
        other = Kernel(keeper, "other", "tcp")
        content = json.loads(Path(other.connection_file).read_text())
        content["iopub_port"] = silent.getsockname()[1]  # it accepts, and never shakes hands
        Path(other.connection_file).write_text(json.dumps(content))
        fields: dict[str, Any] = {"connection_file": other.connection_file, "launched": False}
        _, refused = refuse_in_the_end(
            client.ask("open", runtime=f"o{n}", channels=["iopub"], **fields) for n in range(LIMIT)
        )
        assert refused["error"] == "no_room"
        assert ipc_kernel.send(client, "1", "x.1")["error"] == "no_room"
        assert client.ask("probe", runtime="r1", timeout_ms=10000)["heartbeat"]
        for number in range(3):
            client.ask("forget", runtime=f"o{number}")
        # What is forgotten is closed by ZeroMQ in its own time.
        while "error" in (answer := ipc_kernel.send(client, "1", "x.1")):
            assert answer["error"] == "no_room"
        assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
