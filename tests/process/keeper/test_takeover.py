"""One keeper hands over to the next: nothing is lost, nothing comes twice, nobody notices."""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runtimed.host import Step
from tests.harness.keeper import DEADLINE_S, Client, Kernel, events, is_event, thread_states

if TYPE_CHECKING:
    from tests.harness.keeper import Keeper


def greet(keeper: Keeper, *, not_pid: int) -> Client:
    """Connect as a daemon does that was hung up on, until it is another keeper that answers."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(EOFError, OSError):
            client = Client(keeper)
            keeper.clients.append(client)
            if client.hello()["pid"] != not_pid:
                return client
            client.close()
        time.sleep(0.01)
    pytest.fail("nobody took over\n" + keeper.log())


def renew(keeper: Keeper, client: Client) -> Client:
    """Have the keeper replace itself; return a client of the successor."""
    pid = client.hello()["pid"]
    os.kill(pid, signal.SIGHUP)
    with pytest.raises((EOFError, OSError)):
        while True:
            client.read()
    return greet(keeper, not_pid=pid)


def test_a_handover_in_peace(keeper: Keeper, kernel: Kernel) -> None:
    client = keeper.start().connect()
    pid = kernel.spawn(client)
    kernel.send(client, "x = 41", "x.1")
    kernel.reply(client, "x.1")
    end = keeper.end("r1")
    client = renew(keeper, client)
    assert keeper.wait() == 0
    connected = kernel.reconnect(client, end)
    assert connected.meta["reason"] == "keeper_succeeded"
    assert connected.meta["same_process"]
    assert connected.meta["pid"] == pid
    assert kernel.incarnation == 2
    assert "already" in kernel.send(client, "x = 0", "x.1")
    kernel.send(client, "print(x + 1)", "x.2")
    assert kernel.reply(client, "x.2")["status"] == "ok"
    records = keeper.records("r1")
    assert kernel.text(records, "x.2") == "42\n"
    assert "gap" not in events(records)


PRINTING = "import time\nfor i in range({n}):\n    print(i, flush=True)\n    time.sleep(0.005)"


def printed(kernel: Kernel, keeper: Keeper, msg_id: str) -> list[int]:
    return [int(line) for line in kernel.text(keeper.records("r1"), msg_id).split()]


@pytest.mark.parametrize("step", [step for step in Step if step.startswith("successor.")])
def test_a_successor_that_dies_at_any_step_changes_nothing(
    keeper: Keeper, ipc_kernel: Kernel, step: Step
) -> None:
    """Up to the last word of the predecessor that one goes on; after it there is none."""
    # The predecessor passes none of these: the setting is for whom it starts.
    client = keeper.start(RUNTIMED_STOP_AT=step).connect()
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, PRINTING.format(n=300), "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.1"))
    os.kill(keeper.pid, signal.SIGHUP)
    if step in (Step.SUCCESSOR_TOLD, Step.SUCCESSOR_RECOVERED):
        assert keeper.wait() == 0
        end = keeper.end("r1")
        client = keeper.restart()
        ipc_kernel.reconnect(client, end)
    elif step is Step.SUCCESSOR_ACCEPTED:
        # Whether the predecessor notices in time is left to chance: there is one keeper, or none.
        with suppress(EOFError, OSError):
            while "not handed over" not in keeper.log():
                client.hello()
        if "not handed over" not in keeper.log():
            assert keeper.wait() == 0
            end = keeper.end("r1")
            client = keeper.restart()
            ipc_kernel.reconnect(client, end)
    else:
        client.wait_log("not handed over")
    assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "status", "x.1"))
    ipc_kernel.send(client, ipc_kernel.append_truth("after"), "x.2")
    ipc_kernel.reply(client, "x.2")
    assert ipc_kernel.truths() == ["after"]
    lines = printed(ipc_kernel, keeper, "x.1")
    assert lines == sorted(set(lines))
    if "gap" not in events(keeper.records("r1")):
        assert lines == list(range(300))


@pytest.mark.parametrize("step", [step for step in Step if step.startswith("predecessor.")])
def test_a_predecessor_that_dies_at_any_step_leaves_one_keeper_and_whole_journals(
    keeper: Keeper, ipc_kernel: Kernel, step: Step
) -> None:
    client = keeper.start(RUNTIMED_STOP_AT=step).connect()
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, PRINTING.format(n=300), "x.1")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.1"))
    pid = keeper.pid
    os.kill(pid, signal.SIGHUP)
    assert keeper.wait() == -signal.SIGKILL, "it died where it was told to"
    client = greet(keeper, not_pid=pid)
    client.wait("r1", lambda r: is_event(r, "connected", incarnation=2))
    ipc_kernel.incarnation = 2
    assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
    ipc_kernel.send(client, ipc_kernel.append_truth("after"), "x.2")
    ipc_kernel.reply(client, "x.2")
    assert ipc_kernel.truths() == ["after"]
    lines = printed(ipc_kernel, keeper, "x.1")
    assert lines == sorted(set(lines))
    has_gap = "gap" in events(keeper.records("r1"))
    assert has_gap == (step is not Step.PREDECESSOR_LEFT)
    if not has_gap:
        assert lines == list(range(300))


def test_without_a_daemon_nothing_of_a_cell_is_lost(keeper: Keeper, kernel: Kernel) -> None:
    client = keeper.start().connect()
    kernel.spawn(client)
    kernel.send(client, PRINTING.format(n=600), "x.1")
    client.wait("r1", lambda r: kernel.is_message(r, "stream", "x.1"))
    client.close()
    pid, watcher = keeper.pid, Client(keeper)  # it does not greet
    os.kill(pid, signal.SIGHUP)
    assert keeper.wait() == 0
    watcher.close()
    client = greet(keeper, not_pid=pid)
    client.wait("r1", lambda r: kernel.is_message(r, "execute_reply", "x.1"))
    client.wait("r1", lambda r: "599\n" in kernel.text([r], "x.1"))
    assert printed(kernel, keeper, "x.1") == list(range(600))
    assert "gap" not in events(keeper.records("r1"))


def test_twenty_runtimes_and_one_that_is_dead(keeper: Keeper) -> None:
    client = keeper.start().connect()
    kernels = [Kernel(keeper, f"r{n}", "ipc") for n in range(20)]
    for each in kernels:
        each.request_spawn(client)
    for each in kernels:
        each.reconnect(client, 0)
    client.ask("signal", runtime="r0", signum=9, tree=True)
    client.event("r0", "exited")
    ends = {each.runtime: keeper.end(each.runtime) for each in kernels}
    client = renew(keeper, client)
    known = client.hello()["runtimes"]
    assert [known[f"r{n}"]["connected"] for n in range(20)] == [False] + [True] * 19
    for each in kernels[1:]:
        each.reconnect(client, ends[each.runtime])
        each.send(client, "print(1)", "x.1")
    for each in kernels[1:]:
        assert each.reply(client, "x.1")["status"] == "ok"
        assert "gap" not in events(keeper.records(each.runtime))
    kernels[0].spawn(client, env=None)  # of a dead one, too, the environment has come along


def test_a_kernel_of_somebody_elses_stays_adopted(keeper: Keeper, ipc_kernel: Kernel) -> None:
    owner = psutil.Popen(ipc_kernel.argv)
    try:
        client = keeper.start().connect()
        fields: dict[str, Any] = {"connection_file": ipc_kernel.connection_file, "pid": owner.pid}
        while "incarnation" not in client.ask(
            "open", runtime="r1", channels=["iopub", "control"], **fields
        ):
            time.sleep(0.05)
        deadline = time.monotonic() + DEADLINE_S
        while not client.hello()["runtimes"]["r1"]["connected"]:
            assert time.monotonic() < deadline
            if not any(is_event(r, "connected") for r in keeper.records("r1")):
                client.ask("open", runtime="r1", channels=["iopub", "control"], **fields)
            time.sleep(0.1)
        end = keeper.end("r1")
        client = renew(keeper, client)
        connected = ipc_kernel.reconnect(client, end)
        assert connected.meta["channels"] == ["control", "iopub"]
        assert "gap" not in events(keeper.records("r1"))
        ipc_kernel.send(client, "print(1)", "x.1")
        assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
    finally:
        owner.kill()
        owner.wait()


def test_it_is_refused_where_a_journal_cannot_be_written(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, f"print('{'x' * 2**14}')", "x.0")  # longer than the log
    ipc_kernel.reply(client, "x.0")
    client.wait("r1", lambda r: ipc_kernel.is_message(r, "stream", "x.0"))
    size = keeper.end("r1")
    resource.prlimit(keeper.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    assert ipc_kernel.send(client, "1" * 2**10, "x.1")["error"] == "journal_failed"
    # An event waits in memory, which cannot be handed over.
    client.ask("record", runtime="r1", record="off", session="s")
    os.kill(keeper.pid, signal.SIGHUP)
    client.wait_log("the journal of r1 cannot be written; this keeper goes on")
    resource.prlimit(
        keeper.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    ipc_kernel.send(client, "print(1)", "x.2")
    assert ipc_kernel.reply(client, "x.2")["status"] == "ok"
    end = keeper.end("r1")
    client = renew(keeper, client)
    ipc_kernel.reconnect(client, end)


def test_a_second_hangup_and_a_second_successor_are_turned_away(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    pid = keeper.pid
    first, second = Client(keeper), Client(keeper)
    first.post("succeed", pid=0)
    client.wait_log("handing over to pid 0")
    second.post("succeed", pid=0)
    with pytest.raises((KeyError, EOFError)):  # it is no answer, and then hung up on
        second.read()
    os.kill(pid, signal.SIGHUP)
    for _ in range(2):  # it is heard in the turn of the first
        client.hello()
    first.close()
    second.close()
    client.wait_log("not handed over")
    assert keeper.log().count("handing over") == 1
    client = renew(keeper, client)
    assert client.hello()["pid"] != pid


def test_a_stopped_kernel_does_not_hold_up_the_others(keeper: Keeper, ipc_kernel: Kernel) -> None:
    client = keeper.start().connect()
    pid = ipc_kernel.spawn(client)
    other = Kernel(keeper, "r2", "tcp")
    other.spawn(client)
    os.kill(pid, signal.SIGSTOP)
    while any(state != "T" for state in thread_states(pid)):
        time.sleep(0.001)
    ends = [keeper.end("r1"), keeper.end("r2")]
    client = renew(keeper, client)
    other.reconnect(client, ends[1])
    other.send(client, "print(1)", "x.1")
    assert other.reply(client, "x.1")["status"] == "ok"
    assert "gap" not in events(keeper.records("r2"))
    os.kill(pid, signal.SIGCONT)
    ipc_kernel.reconnect(client, ends[0])
    assert "gap" in events(keeper.records("r1")), "that nothing was missed cannot be known"
    ipc_kernel.send(client, "print(1)", "x.1")
    assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
