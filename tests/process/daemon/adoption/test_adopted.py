"""A kernel that somebody else started: listed, recorded, shared, and left alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import Daemon
from tests.process.daemon.adoption.waiting import adopted, execution, until
from tests.process.daemon.story import final, note, text, wait_for, words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import State
    from tests.harness.foreign import KernelNamed


def test_what_is_there_and_what_comes_is_listed(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    first = kernel_named("python3")
    found = adopted(daemon, first.connection_file)
    assert found["origin"] == "adopted"
    assert (found["pid"], found["cwd"]) == (first.pid, str(state.project))
    assert (found["kernel_name"], found["language"]) == ("python3", "python")
    assert (found["transport"], found["private"]) == ("tcp", False)
    assert found["record"] == "all"
    daemon.stop()
    second = kernel_named("python3", transport="ipc", ip=str(state.root / "k"))
    daemon.start()
    assert adopted(daemon, second.connection_file)["private"]
    again = adopted(daemon, first.connection_file)
    assert (again["id"], again["pid"]) == (found["id"], first.pid)
    assert len(daemon.call("runtime.list", all=True)) == 2


def test_what_its_owner_runs_is_recorded(daemon: Daemon, kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    theirs = kernel.client()
    theirs.execute("x = 41\nprint('hello')\nx + 1", reply=True)
    done = execution(daemon, runtime, "x = 41\nprint('hello')\nx + 1", "done")
    assert (text(done), done["outputs"][-1]["data"]["text/plain"]) == ("hello\n", "42")
    assert done["requested_by"] == {
        "client": "foreign",
        "pid": None,
        "session": theirs.session.session,
        "agent": None,
    }
    assert done["execution_count"] == 1
    assert done["gap"] is None
    theirs.execute("1 / 0", reply=True)
    assert execution(daemon, runtime, "1 / 0", "error")["outputs"][0]["ename"] == (
        "ZeroDivisionError"
    )
    theirs.execute("'silent'", silent=True, reply=True)
    theirs.execute("'after'", reply=True)
    execution(daemon, runtime, "'after'", "done")
    codes = [each["code"] for each in daemon.call("execution.list", runtime=runtime["id"])]
    assert codes == ["'after'", "1 / 0", "x = 41\nprint('hello')\nx + 1"]
    late = "import threading\nthreading.Timer(0.2, print, ['late']).start()"
    theirs.execute(late, reply=True)
    until(lambda: text(execution(daemon, runtime, late, "done")) == "late\n", "late output")


def joined_in_the_middle(
    state: State, daemon: Daemon, kernel_named: KernelNamed, each_turn: str
) -> tuple[Any, Path]:
    """Adopt a kernel that is at a loop already; return its runtime and the file that ends it."""
    daemon.stop(kernels=True)
    kernel = kernel_named("python3")
    truth, go = state.project / "truth", state.project / "go"
    kernel.client().execute(
        f"import os, time\n{note(truth, 'begun')}\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01); {each_turn}"
    )
    wait_for(truth, "begun")
    daemon.start()
    return adopted(daemon, kernel.connection_file), go


def test_what_ran_before_we_joined_says_so(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    runtime, go = joined_in_the_middle(state, daemon, kernel_named, "print('tick')")
    joined = execution(daemon, runtime, "")
    assert joined["gap"]["reason"] == "joined_late"
    ours = daemon.call("execution.submit", runtime=runtime["id"], code="'ours'")
    go.touch()
    assert execution(daemon, runtime, "", "done")["requested_by"]["client"] == "foreign"
    assert final(daemon, ours["id"])["status"] == "done"


def test_ours_waits_for_what_was_running_before_we_joined(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    """Nothing was heard of it; that the shell does not answer keeps ours in our queue."""
    runtime, go = joined_in_the_middle(state, daemon, kernel_named, "pass")
    truth = state.project / "truth"
    assert runtime["activity"] is None
    ids = [
        daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, word))["id"]
        for word in ("cancelled", "kept")
    ]
    cancelled = daemon.call("execution.cancel", execution=ids[0])
    assert cancelled["status"] == "cancelled"
    go.touch()
    assert final(daemon, ids[1])["status"] == "done"
    assert words(truth) == ["begun", "kept"]


@pytest.mark.parametrize("now", [True, False])
def test_its_owner_restarts_it(
    state: State, daemon: Daemon, kernel_named: KernelNamed, now: bool
) -> None:
    """Same file, same ports, no file event: the same runtime, and nothing of ours in the new."""
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    truth = state.project / "truth"
    sleep = f"{note(truth, 'theirs')}\nimport time; time.sleep(600)"
    kernel.client().execute(sleep)
    wait_for(truth, "theirs")
    execution(daemon, runtime, sleep, "running")
    queued = daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, "ours"))["id"]
    carried = daemon.call(
        "execution.submit", runtime=runtime["id"], code=note(truth, "carried"), carry_over=True
    )["id"]
    assert daemon.call("execution.get", execution=queued)["status"] == "queued"
    before = kernel.pid
    if now:
        kernel.restart()
    else:
        kernel.kill()
        adopted(daemon, kernel.connection_file, "dead")
        kernel.restart()
    assert kernel.pid != before
    again = adopted(daemon, kernel.connection_file, pid=kernel.pid)
    assert (again["id"], again["incarnation"] > runtime["incarnation"]) == (runtime["id"], True)
    assert execution(daemon, runtime, sleep, "kernel_died")["reason"]
    cancelled = final(daemon, queued)
    assert (cancelled["status"], bool(cancelled["reason"])) == ("cancelled", True)
    assert final(daemon, carried)["status"] == "done"
    assert words(truth) == ["theirs", "carried"]


def test_its_owner_restarts_it_during_ours(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    truth = state.project / "truth"
    ours = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'ours')}\nimport time; time.sleep(600)",
    )["id"]
    wait_for(truth, "ours")
    kernel.restart()
    assert final(daemon, ours)["status"] == "kernel_died"
    adopted(daemon, kernel.connection_file, pid=kernel.pid)
    assert words(truth) == ["ours"]


def test_one_that_died_is_said_to_be_looked_for(daemon: Daemon, kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    kernel.kill()
    adopted(daemon, kernel.connection_file, "dead")
    with pytest.raises(CallFailed) as refused:
        daemon.call("execution.submit", runtime=runtime["id"], code="1")
    assert refused.value.name == "RuntimeDead"
    assert "once its owner has restarted it" in str(refused.value)


def test_what_one_gets_wrong_is_not_the_others(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    theirs = kernel.client()
    truth, go = state.project / "truth", state.project / "go"
    theirs.execute(f"import os\nwhile not os.path.exists({str(go)!r}): pass\n1 / 0")
    ours = daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, "ours"))["id"]
    failing = daemon.call("execution.submit", runtime=runtime["id"], code="1 / 0")["id"]
    go.touch()
    assert final(daemon, ours)["status"] == "done"
    assert final(daemon, failing)["status"] == "error"
    assert theirs.execute("'fine'", reply=True)["content"]["status"] == "ok"


def test_it_is_left_alone(daemon: Daemon, kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    for verb in ("stop", "kill"):
        with pytest.raises(CallFailed) as refused:
            daemon.call(f"runtime.{verb}", runtime=runtime["id"])
        assert refused.value.name == "NotOurs"
        assert f"pid {kernel.owner.pid}" in str(refused.value)
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.remove", runtime=runtime["id"])
    assert refused.value.name == "RuntimeAlive"
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.restart", runtime=runtime["id"])
    assert refused.value.name == "NoServer"
    assert f"pid {kernel.owner.pid}" in str(refused.value)
    daemon.stop(kernels=True)
    assert psutil.Process(kernel.pid).is_running()
    assert kernel.client().execute("1", reply=True)["content"]["status"] == "ok"
    assert kernel.connection_file.exists()


def test_it_is_ended_if_that_is_insisted_on(daemon: Daemon, kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    ended = daemon.call("runtime.stop", runtime=runtime["id"], force=True)
    assert (ended["runtime"]["status"], ended["how"]) == ("dead", "shutdown_request")
    assert daemon.call("runtime.prune", dry_run=True)[0]["runtime"] == runtime["id"]
    daemon.call("runtime.remove", runtime=kernel.connection_file.stem)
    assert not os.path.exists(kernel.connection_file)
    assert daemon.call("runtime.list", all=True) == []


def test_the_first_caller_of_a_daemon_may_name_it(state: State, kernel_named: KernelNamed) -> None:
    """Nothing is known of it, and nobody waits but who calls."""
    kernel = kernel_named("python3")
    kernel.client()
    daemon = Daemon(state).start()
    try:
        runtime = daemon.call("runtime.get", runtime=kernel.connection_file.stem)
        assert (runtime["pid"], runtime["status"]) == (kernel.pid, "alive")
    finally:
        daemon.dispose()
