"""A dispatch is executed at most once, and only by the incarnation that it is for."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runtimed.wire.journal import Kind, Record
from tests.harness.adopted import adopt, foreign
from tests.harness.keeper import events, is_event

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.harness.keeper import Client, Kernel


def sent_ids(records: list[Record]) -> list[str]:
    return [r.meta["id"] for r in records if r.kind == Kind.SENT]


def open_sockets(client: Client) -> int:
    return len(psutil.Process(client.keeper.pid).net_connections("unix"))


def test_a_dispatch_is_sent_once_however_often_it_is_asked_for(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    code = ipc_kernel.append_truth("once")
    answers = [ipc_kernel.send(client, code, "x.1") for _ in range(3)]
    assert [set(a) - {"re"} for a in answers] == [{"sent"}, {"already"}, {"already"}]
    ipc_kernel.reply(client, "x.1")
    client.ask("rotate", runtime="r1")
    assert "already" in ipc_kernel.send(client, code, "x.1")
    ipc_kernel.send(client, "1", "x.2")
    ipc_kernel.reply(client, "x.2")
    assert ipc_kernel.truths() == ["once"]


def test_what_has_no_id_is_sent_every_time(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    address = {**ipc_kernel.address(""), "id": None, "channel": "control"}
    for number in range(2):
        request = ipc_kernel.message("kernel_info_request", {}, f"k.{number}")
        assert "sent" in client.ask("send", request, **address)
        ipc_kernel.reply(client, f"k.{number}", "kernel_info_reply")


@pytest.mark.parametrize("incarnation", [0, 2])
def test_a_dispatch_for_another_incarnation_is_refused(
    client: Client, ipc_kernel: Kernel, incarnation: int
) -> None:
    ipc_kernel.spawn(client)
    reply = ipc_kernel.send(client, ipc_kernel.append_truth("x"), "x.1", incarnation)
    assert reply["error"] == "stale_incarnation"
    assert sent_ids(client.keeper.records("r1")) == []


def test_a_dispatch_to_nobody_is_refused(client: Client, ipc_kernel: Kernel) -> None:
    assert ipc_kernel.send(client, "1", "x.1")["error"] == "unknown_runtime"
    ipc_kernel.spawn(client)
    client.ask("signal", runtime="r1", signum=9, tree=True)
    client.event("r1", "exited")
    assert ipc_kernel.send(client, "1", "x.1")["error"] == "not_connected"
    assert sent_ids(client.keeper.records("r1")) == []


def test_a_password_is_sent_and_not_written_down(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "import getpass; print(getpass.getpass()[::-1])", "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "input_request", "x.1"))
    answer = ipc_kernel.message("input_reply", {"value": "sesame-93"})
    address = {**ipc_kernel.address("i.1"), "channel": "stdin", "secret": True}
    assert "sent" in client.ask("send", answer, **address)
    assert "already" in client.ask("send", answer, **address)
    ipc_kernel.reply(client, "x.1")
    records = client.keeper.records("r1")
    assert ipc_kernel.text(records, "x.1") == "39-emases\n"
    record = next(r for r in records if r.meta.get("id") == "i.1")
    assert record.meta["secret"]
    # Nor its signature, from which with the key a short one could be guessed.
    assert [bytes(f) for f in record.frames] == [answer[0], b"", *answer[2:5], b"{}"]
    assert client.ask("send", [b"sesame-93"], **{**address, "id": "i.2"})["error"] == "bad_request"
    files = [path for path in Path(client.keeper.directory).rglob("*") if path.is_file()]
    assert not [path for path in files if b"sesame-93" in path.read_bytes()]


def test_nothing_is_sent_that_cannot_be_written_down(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "1", "x.0")
    ipc_kernel.reply(client, "x.0")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "status", "x.0"))
    size = sum(p.stat().st_size for p in Path(client.keeper.state.journal("r1")).iterdir())
    limit(client, size + 10)
    reply = ipc_kernel.send(client, ipc_kernel.append_truth("refused"), "x.1")
    assert reply["error"] == "journal_failed"
    limit(client, resource.RLIM_INFINITY)
    assert "sent" in ipc_kernel.send(client, ipc_kernel.append_truth("again"), "x.1")
    ipc_kernel.reply(client, "x.1")
    assert ipc_kernel.truths() == ["again"]


def limit(client: Client, size: int) -> None:
    """Let no file of the keeper's grow beyond this: as good as a full disk, and needs no root."""
    resource.prlimit(client.keeper.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_what_a_full_disk_did_not_take_is_journaled_when_there_is_space(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    code = "import time\nfor i in range(200):\n    print(i, flush=True); time.sleep(0.005)"
    ipc_kernel.send(client, code, "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.1"))
    limit(client, 1000)
    client.wait_log("a journal cannot be written")
    limit(client, resource.RLIM_INFINITY)
    ipc_kernel.reply(client, "x.1")
    assert ipc_kernel.text(client.keeper.records("r1"), "x.1").split() == list(map(str, range(200)))


def test_what_a_full_disk_made_us_drop_is_counted(keeper_of_little_memory: Any) -> None:
    client, kernel = keeper_of_little_memory
    kernel.spawn(client)
    printed = kernel.append_truth("printed")
    code = f"input()\nfor i in range(200): print(i, flush=True)\n{printed}\ninput()\nprint('after')"
    kernel.send(client, code, "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "input_request", "x.1"))
    answer = kernel.message("input_reply", {"value": ""})
    address = {**kernel.address("i.1"), "channel": "stdin", "id": None}
    client.ask("send", answer, **address)
    limit(client, 1000)
    client.wait_log("a journal cannot be written")
    while kernel.truths() != ["printed"]:
        time.sleep(0.01)
    # What was printed is on its way still: it has come once neither has anything to do.
    wait_until_asleep(client.event("r1", "spawned").meta["pid"])
    wait_until_asleep(client.keeper.pid)
    limit(client, resource.RLIM_INFINITY)
    gap = client.event("r1", "gap", reason="journal_full")
    written = kernel.text(client.keeper.records("r1"), "x.1").split()
    # Each line is one stream message here; the request for input may be among what was dropped.
    assert gap.meta["dropped"] - (200 - len(written)) in (0, 1)
    assert written == list(map(str, range(len(written))))


def wait_until_asleep(pid: int) -> None:
    """Wait until a process uses no CPU, and not because others have it."""
    process = psutil.Process(pid)
    before = None
    while before != (before := process.cpu_times()) or wants_cpu(process):
        time.sleep(0.2)


def wants_cpu(process: psutil.Process) -> bool:
    threads = (psutil.Process(thread.id) for thread in process.threads())
    return any(thread.status() == psutil.STATUS_RUNNING for thread in threads)


@pytest.fixture
def keeper_of_little_memory(keeper: Any, ipc_kernel: Kernel) -> tuple[Client, Kernel]:
    return keeper.restart(RUNTIMED_PENDING_BYTES="20000"), ipc_kernel


def test_an_interrupt_is_for_one_execution_and_for_no_other(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    address: dict[str, Any] = {"runtime": "r1", "incarnation": 1, "signal": signal.SIGINT}
    ipc_kernel.send(client, "1", "x.1")
    ipc_kernel.reply(client, "x.1")
    code = "import time\nprint('on')\ntime.sleep(600)"
    ipc_kernel.send(client, code, "x.2")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.2"))
    late = client.ask("interrupt", parent="x.1", **address)
    assert (late["delivered"], late["reason"]) == (False, "not_running")
    stale = client.ask("interrupt", parent="x.2", **{**address, "incarnation": 7})
    assert stale["error"] == "stale_incarnation"
    assert client.ask("interrupt", parent="x.2", **address)["delivered"]
    reply = ipc_kernel.reply(client, "x.2")
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")


def test_an_interrupt_may_be_a_message(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "import time\nprint('on')\ntime.sleep(600)", "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.1"))
    request = ipc_kernel.message("interrupt_request", {}, "int.1")
    fields: dict[str, Any] = {"runtime": "r1", "incarnation": 1, "parent": "x.1", "id": "int.1"}
    assert client.ask("interrupt", request, **fields) == {"re": 4, "sent": True, "delivered": True}
    assert ipc_kernel.reply(client, "x.1")["ename"] == "KeyboardInterrupt"
    assert sent_ids(client.keeper.records("r1")) == ["x.1", "int.1"]


def test_sockets_are_opened_when_they_are_needed(client: Client, ipc_kernel: Kernel) -> None:
    with foreign(ipc_kernel) as process:
        before = open_sockets(client)
        assert adopt(client, ipc_kernel, process.pid)["incarnation"] == 1
        connected = ipc_kernel.reconnect(client, 0)
        assert connected.meta["channels"] == ["control", "iopub"]
        assert not connected.meta["same_process"]
        idle = open_sockets(client)
        assert idle == before + 2
        # Two at once: the second must neither overtake the first nor be lost.
        first = client.post(
            "send",
            ipc_kernel.execute(ipc_kernel.append_truth("1"), "x.1"),
            **ipc_kernel.address("x.1"),
        )
        second = client.post(
            "send",
            ipc_kernel.execute(ipc_kernel.append_truth("2"), "x.2"),
            **ipc_kernel.address("x.2"),
        )
        assert "sent" in client.reply(first)
        assert "sent" in client.reply(second)
        ipc_kernel.reply(client, "x.2")
        assert ipc_kernel.truths() == ["1", "2"]
        assert open_sockets(client) == idle + 2
        process.kill()
        process.wait()
        exited = client.event("r1", "exited")
        assert (exited.meta["reason"], exited.meta["code"]) == ("unknown", None)


@pytest.fixture
def adopted(client: Client, kernel: Kernel) -> Iterator[subprocess.Popen[bytes]]:
    with foreign(kernel) as process:
        adopt(client, kernel, None)
        kernel.reconnect(client, 0)
        yield process


def test_nothing_is_ever_sent_to_the_next_process_at_the_same_address(
    client: Client, kernel: Kernel, adopted: subprocess.Popen[bytes]
) -> None:
    """A Jupyter server restarts a kernel behind the same connection file, and nobody tells us."""
    kernel.send(client, "1", "x.1")
    kernel.reply(client, "x.1")
    client.keeper.signal(signal.SIGSTOP)
    # Two dispatches wait for the keeper when the kernel is replaced, one on an open channel.
    code = kernel.append_truth("wrong process")
    numbers = [
        client.post("send", kernel.execute(code, f"x.{n}"), **kernel.address(f"x.{n}"))
        for n in (2, 3)
    ]
    adopted.kill()
    adopted.wait()
    with foreign(kernel):
        client.keeper.signal(signal.SIGCONT)
        # Read before the end of the connection was noticed, a dispatch goes to the dead: then its
        # SENT record is followed by the disconnect, and it is known to be lost.
        answers = [client.reply(n).get("error") for n in numbers]
        assert set(answers) <= {None, "not_connected"}
        disconnected = client.event("r1", "disconnected")
        assert disconnected.meta["incarnation"] == 1
        records = client.keeper.records("r1")
        assert all(r.offset < disconnected.offset for r in records if r.kind == Kind.SENT)
        assert len(sent_ids(records)) == 1 + answers.count(None)
        reply = kernel.send(client, code, "x.4")
        assert reply["error"] == "not_connected"
        open_again(client, kernel)
        kernel.reconnect(client, disconnected.end)
        assert kernel.incarnation == 2
        assert kernel.send(client, code, "x.4", incarnation=1)["error"] == "stale_incarnation"
        kernel.send(client, kernel.append_truth("right"), "x.5")
        kernel.reply(client, "x.5")
    assert kernel.truths() == ["right"]


def open_again(client: Client, kernel: Kernel) -> None:
    fields: dict[str, Any] = {
        "runtime": "r1",
        "connection_file": kernel.connection_file,
        "launched": False,
    }
    client.ask("open", pid=None, start_time=None, channels=["iopub", "control", "shell"], **fields)


def test_who_does_not_listen_is_reported(client: Client, kernel: Kernel) -> None:
    open_again(client, kernel)
    failed = client.event("r1", "connect_failed")
    assert failed.meta["reason"] in ("ECONNREFUSED", "ENOENT")
    assert failed.meta["incarnation"] == 1
    Path(kernel.connection_file).unlink()
    open_again(client, kernel)
    assert "connection_file" not in client.event("r1", "connect_failed", failed.end).meta
    assert "connected" not in events(client.keeper.records("r1"))


def test_a_process_that_is_another_one_by_now_is_not_opened(client: Client, kernel: Kernel) -> None:
    fields: dict[str, Any] = {
        "runtime": "r1",
        "connection_file": kernel.connection_file,
        "launched": False,
    }
    reply = client.ask("open", pid=os.getpid(), start_time=1, channels=["iopub"], **fields)
    assert reply["error"] == "connect_failed"


def test_a_kernel_that_takes_nothing_makes_a_send_fail_and_never_wait(
    client: Client, ipc_kernel: Kernel
) -> None:
    """A peer that shakes hands and then reads nothing: in the end EAGAIN, which is journaled."""
    code = (
        "import json, sys, time, zmq\n"
        "c = json.load(open(sys.argv[1])); context = zmq.Context(); sockets = []\n"
        "for name, kind in dict(shell=5, iopub=9, stdin=5, control=5, hb=5).items():\n"
        "    s = context.socket({5: zmq.PULL, 9: zmq.XPUB}[kind]); s.rcvhwm = 1\n"
        "    s = s if name == 'iopub' else context.socket(zmq.DEALER); s.rcvhwm = 1\n"
        "    s.bind(f\"ipc://{c['ip']}-{c[name + '_port']}\"); sockets.append(s)\n"
        "time.sleep(600)\n"
    )
    argv = [sys.executable, "-c", code, ipc_kernel.connection_file]
    ipc_kernel.spawn(client, argv=argv)
    payload = ipc_kernel.execute("#" * 10000, "")
    for number in range(20000):
        reply = client.ask("send", payload, **ipc_kernel.address(f"x.{number}"))
        if "error" in reply:
            break
    assert reply["error"] == "again"
    unsent = client.event("r1", "unsent")
    assert unsent.meta["id"] == f"x.{number}"
    again = client.ask("send", payload, **ipc_kernel.address(f"x.{number}"))
    assert again["error"] == "again", "it was not sent, so it is not `already` sent"
    os.kill(client.event("r1", "spawned").meta["pid"], signal.SIGKILL)
    client.wait("r1", lambda r: is_event(r, "exited"))
