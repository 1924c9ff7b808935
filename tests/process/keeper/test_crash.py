"""A keeper that dies: nothing is executed twice, and what can still arrive arrives."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runtimed.host import Step, boot_id
from runtimed.wire.journal import Event, Kind, encode
from tests.harness.keeper import Kernel, is_event, thread_states

if TYPE_CHECKING:
    from tests.harness.keeper import Client, Keeper

KEEPER_STEPS = [step for step in Step if step.startswith("keeper.")]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("step", KEEPER_STEPS)
def test_dead_at_any_step_of_a_dispatch_it_is_executed_at_most_once(
    keeper: Keeper, ipc_kernel: Kernel, step: Step, nth: int
) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    ipc_kernel.send(client, "1", "x.0")
    ipc_kernel.reply(client, "x.0")
    keeper.kill()
    end = keeper.end("r1")
    codes = {f"x.{n}": ipc_kernel.append_truth(f"x.{n}") for n in range(1, 4)}
    with suppress(EOFError, OSError):
        client = keeper.restart(RUNTIMED_STOP_AT=f"{step}:{nth}")
        ipc_kernel.reconnect(client, end)
        for msg_id, code in codes.items():
            ipc_kernel.send(client, code, msg_id)
            ipc_kernel.reply(client, msg_id)
    assert keeper.wait() == -signal.SIGKILL, "the keeper died where it was told to"
    # What a daemon does after any crash: dispatch whatever is not final again, under its old id.
    end = keeper.end("r1")
    client = keeper.restart()
    assert ipc_kernel.reconnect(client, end).meta["same_process"]
    answers = {
        msg_id: ipc_kernel.send(client, code, msg_id).keys() - {"re"}
        for msg_id, code in codes.items()
    }
    sent = [r.meta["id"] for r in keeper.records("r1") if r.kind == Kind.SENT]
    assert sorted(set(sent)) == sorted(["x.0", *codes])
    assert len(sent) == len(set(sent)), "one SENT record for each"
    ipc_kernel.send(client, ipc_kernel.append_truth("end"), "x.end")
    ipc_kernel.reply(client, "x.end")
    truths = ipc_kernel.truths()
    assert len(truths) == len(set(truths)), f"executed twice: {truths}"
    # Between the record and the kernel it is not known: then it may never be executed at all.
    missing = set(codes) - set(truths)
    # So it is shortly after: ZeroMQ's own thread may not have written it out.
    ambiguous = {
        Step.SENT_JOURNALED: (1,),
        Step.SENT_TO_KERNEL: (0, 1),
        Step.DISPATCH_ANSWERED: (0, 1),
        Step.DOORBELL_RUNG: (0, 1),
    }
    assert len(missing) in ambiguous.get(step, (0,))
    assert all(answers[msg_id] == {"already"} for msg_id in missing)
    os.kill(pid, 0)


def test_a_running_cell_and_its_kernel_outlive_the_keeper(keeper: Keeper, kernel: Kernel) -> None:
    client = keeper.start().connect()
    pid = kernel.spawn(client)
    kernel.send(client, "x = 41\nprint('before')\ninput()\nprint('after'); x + 1", "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "input_request", "x.1"))
    keeper.kill()
    end = keeper.end("r1")
    client = keeper.restart()
    connected = kernel.reconnect(client, end)
    assert connected.meta["same_process"]
    assert connected.meta["reason"] == "keeper_restarted"
    assert connected.meta["pid"] == pid
    assert kernel.incarnation == 2
    # The same routing id: the kernel's answers find the new keeper.
    answer = kernel.message("input_reply", {"value": ""})
    assert "sent" in client.ask("send", answer, **{**kernel.address("i.1"), "channel": "stdin"})
    assert kernel.reply(client, "x.1")["status"] == "ok"
    assert kernel.text(keeper.records("r1"), "x.1") == "before\nafter\n"
    gap = client.event("r1", "gap")
    assert gap.meta["reason"] == "keeper_down"
    assert 0 < gap.meta["from_ns"] < gap.meta["to_ns"]
    assert gap.meta["from_ns"] == next(r.at_ns for r in keeper.records("r1") if r.end == end)
    client.ask("signal", runtime="r1", signum=9, tree=True)
    exited = client.event("r1", "exited")
    assert (exited.meta["reason"], exited.meta["code"]) == ("unknown", None)


def test_an_interrupt_still_knows_what_is_running(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "import time\nprint('on')\ntime.sleep(600)", "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.1"))
    client.ask("rotate", runtime="r1")
    keeper.kill()
    end = keeper.end("r1")
    client = keeper.restart()
    ipc_kernel.reconnect(client, end)
    address: dict[str, Any] = {"runtime": "r1", "incarnation": 2, "signal": signal.SIGINT}
    assert not client.ask("interrupt", parent="x.0", **address)["delivered"]
    assert client.ask("interrupt", parent="x.1", **address)["delivered"]
    assert ipc_kernel.reply(client, "x.1")["ename"] == "KeyboardInterrupt"


def begin_unheard(keeper: Keeper, kernel: Kernel, codes: dict[str, str]) -> Client:
    """Have the kernel take these executions while there is no keeper; return the next one's."""
    client = keeper.start().connect()
    pid = kernel.spawn(client)
    kernel.send(client, "1", "x.0")
    kernel.reply(client, "x.0")
    port = json.loads(Path(kernel.connection_file).read_text())["shell_port"]
    os.kill(pid, signal.SIGSTOP)
    while any(state != "T" for state in thread_states(pid)):
        time.sleep(0.001)
    sent_bytes = 0
    for msg_id, code in codes.items():
        frames = kernel.execute(code, msg_id)
        assert "sent" in client.ask("send", frames, **kernel.address(msg_id))
        sent_bytes += sum(map(len, frames))
        # Handed to ZeroMQ, it is not yet out of the keeper.
        while unread_bytes(port) < sent_bytes:
            time.sleep(0.005)
    keeper.kill()
    end = keeper.end("r1")
    os.kill(pid, signal.SIGCONT)
    while "on" not in kernel.truths():
        time.sleep(0.01)
    client = keeper.restart()
    kernel.reconnect(client, end)
    return client


def unread_bytes(port: int) -> int:
    """Return how much lies in the receive queues of this TCP port (proc_net(5))."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = f":{port:04X}"
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[1].endswith(here))


@pytest.fixture
def tcp_kernel(keeper: Keeper) -> Kernel:
    return Kernel(keeper, "r1", "tcp")


@pytest.mark.parametrize("prints", [True, False])
def test_an_interrupt_reaches_what_began_while_no_keeper_was_there(
    keeper: Keeper, tcp_kernel: Kernel, prints: bool
) -> None:
    body = "print('tick', flush=True); time.sleep(0.05)" if prints else "time.sleep(600)"
    code = f"{tcp_kernel.append_truth('on')}\nimport time\nwhile True: {body}"
    client = begin_unheard(keeper, tcp_kernel, {"x.1": code})
    if prints:
        client.wait("r1", lambda r: tcp_kernel.is_message(r, "stream", "x.1"))
    busy = [r for r in keeper.records("r1") if tcp_kernel.is_message(r, "status", "x.1")]
    assert not busy, "it began unheard"
    address: dict[str, Any] = {"runtime": "r1", "incarnation": 2, "signal": signal.SIGINT}
    assert not client.ask("interrupt", parent="x.0", **address)["delivered"]
    assert client.ask("interrupt", parent="x.1", **address)["delivered"]
    assert tcp_kernel.reply(client, "x.1")["ename"] == "KeyboardInterrupt"
    client.wait("r1", lambda r: tcp_kernel.is_message(r, "status", "x.1"))
    assert not client.ask("interrupt", parent="x.1", **address)["delivered"]


def test_what_ended_while_no_keeper_was_there_is_not_interrupted_in_favour_of_another(
    keeper: Keeper, tcp_kernel: Kernel
) -> None:
    code = f"{tcp_kernel.append_truth('on')}\nimport time\ntime.sleep(600)"
    codes = {"x.1": tcp_kernel.append_truth("over"), "x.2": code}
    client = begin_unheard(keeper, tcp_kernel, codes)
    address: dict[str, Any] = {"runtime": "r1", "incarnation": 2, "signal": signal.SIGINT}
    late = client.ask("interrupt", parent="x.1", **address)
    assert (late["delivered"], late["reason"]) == (False, "not_running")


def test_a_keeper_needs_only_the_last_segment(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    ipc_kernel.send(client, ipc_kernel.append_truth("1"), "x.1")
    ipc_kernel.reply(client, "x.1")
    client.ask("rotate", runtime="r1")
    segments = sorted(Path(keeper.state.journal("r1")).iterdir())
    assert len(segments) == 2
    keeper.kill()
    end = keeper.end("r1")
    segments[0].unlink()
    client = keeper.restart()
    connected = ipc_kernel.reconnect(client, end)
    assert connected.meta["incarnation"] == 2
    assert connected.meta["pid"] == pid
    assert "already" in ipc_kernel.send(client, ipc_kernel.append_truth("1"), "x.1")
    ipc_kernel.send(client, "1", "x.2")
    ipc_kernel.reply(client, "x.2")
    assert ipc_kernel.truths() == ["1"]


def test_many_small_segments_hold_what_one_large_one_does(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.restart(RUNTIMED_SEGMENT_BYTES="4096")
    ipc_kernel.spawn(client)
    for number in range(20):
        ipc_kernel.send(client, f"print({number})", f"x.{number}")
        ipc_kernel.reply(client, f"x.{number}")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "status", "x.19"))
    assert len(list(Path(keeper.state.journal("r1")).iterdir())) > 10
    records = keeper.records("r1")
    assert [ipc_kernel.text(records, f"x.{n}") for n in range(20)] == [f"{n}\n" for n in range(20)]
    assert all(a.end == b.offset for a, b in itertools.pairwise(records))


def test_a_torn_tail_is_cut_and_told(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    keeper.kill()
    end = keeper.end("r1")
    segment = next(Path(keeper.state.journal("r1")).iterdir())
    segment.write_bytes(segment.read_bytes() + b"".join(encode(1, 1, {}, [b"torn"]))[:-1])
    client = keeper.restart()
    ipc_kernel.reconnect(client, end)
    first = client.wait("r1", lambda r: is_event(r, "gap"), end)
    assert first.offset == end
    assert (first.meta["reason"], first.meta["bytes"]) == ("torn_tail", 33 - 1)


def test_a_kernel_that_died_meanwhile_has_exited_somehow(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    keeper.kill()
    os.kill(pid, signal.SIGKILL)
    client = keeper.restart()
    exited = client.event("r1", "exited")
    assert (exited.meta["pid"], exited.meta["reason"]) == (pid, "unknown")
    known = client.hello()["runtimes"]["r1"]
    assert (known["alive"], known["connected"]) == (False, False)
    assert not list(Path(keeper.directory).rglob("r1-*")), "its socket files are gone"
    assert ipc_kernel.request_spawn(client, env=None)["error"] == "no_environment"
    ipc_kernel.spawn(client)
    assert ipc_kernel.incarnation == 2, "incarnations go on over the runtime's whole life"


def test_a_restart_after_a_keepers_death_uses_the_living_kernels_environment(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client, env={**os.environ, "MARK": "sesame-93"})
    keeper.kill()
    end = keeper.end("r1")
    client = keeper.restart()
    ipc_kernel.reconnect(client, end)
    client.ask("signal", runtime="r1", signum=9, tree=True)
    client.event("r1", "exited")
    ipc_kernel.spawn(client, env=None)
    ipc_kernel.send(client, "import os; print(os.environ['MARK'])", "x.1")
    ipc_kernel.reply(client, "x.1")
    assert ipc_kernel.text(keeper.records("r1"), "x.1") == "sesame-93\n"


def announce(keeper: Keeper, kernel: Kernel) -> None:
    """Write what a keeper leaves that dies between fork and the record of it."""
    directory = Path(keeper.state.journal("r1"))
    directory.mkdir(parents=True)
    for path in (Path(keeper.state.dir), directory.parent, directory):
        path.chmod(0o700)
    meta = {
        "event": Event.SPAWNING,
        "incarnation": 1,
        "argv": kernel.argv,
        "cwd": "/",
        "connection_file": kernel.connection_file,
        "stdout": None,
        "stderr": None,
    }
    record = b"".join(encode(Kind.EVENT, 1, meta))
    (directory / f"{0:020d}.journal").write_bytes(record)


def test_a_process_that_was_announced_and_never_started(keeper: Keeper, ipc_kernel: Kernel) -> None:
    announce(keeper, ipc_kernel)
    client = keeper.restart()
    assert client.event("r1", "exited").meta["reason"] == "not_started"
    ipc_kernel.spawn(client)
    assert ipc_kernel.incarnation == 2


def test_a_process_that_was_announced_and_started_is_found(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    announce(keeper, ipc_kernel)
    orphan = psutil.Popen(ipc_kernel.argv)
    try:
        client = keeper.restart()
        assert client.event("r1", "spawned").meta["pid"] == orphan.pid
        ipc_kernel.reconnect(client, 0)
        ipc_kernel.send(client, "print(1)", "x.1")
        assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
    finally:
        orphan.kill()
        orphan.wait()


def test_a_pid_that_is_anothers_by_now_is_not_the_kernel(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    keeper.kill()
    os.kill(pid, signal.SIGKILL)
    segment = next(Path(keeper.state.journal("r1")).iterdir())
    meta = {
        "event": "opening",
        "incarnation": 2,
        "pid": os.getpid(),
        "start_time": 1,
        "boot_id": boot_id(),
        "connection_file": ipc_kernel.connection_file,
        "launched": True,
        "channels": [],
    }
    with segment.open("ab") as file:
        file.write(b"".join(encode(Kind.EVENT, 1, meta)))
    client = keeper.restart()
    assert client.event("r1", "exited").meta["pid"] == os.getpid()
    assert not client.ask("signal", runtime="r1", signum=9, tree=True)["delivered"]


def test_a_journal_that_cannot_be_read_back_stops_nothing_else(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    keeper.kill()
    broken = Path(keeper.state.journal("broken"))
    (broken / f"{0:020d}.journal").mkdir(parents=True)
    Path(keeper.state.journal("empty")).mkdir()
    end = keeper.end("r1")
    ipc_kernel.reconnect(keeper.restart(), end)
    assert "[broken] its journal cannot be read back" in keeper.log()
