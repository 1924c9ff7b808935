"""What is left of two users' work when daemon or keeper stop dead in the middle of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.daemon.adoption.waiting import execution, until
from tests.process.daemon.story import final, text, wait_for, words

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon
    from tests.process.daemon.adoption.sharing import Shared

LINES = 200
#: Their line after which something dies: all before it have reached us by then.
MIDDLE = 50


def keeper_pid(daemon: Daemon) -> int:
    pid = daemon.call("daemon.status")["keeper_pid"]
    assert isinstance(pid, int)
    return pid


def kill_daemon(daemon: Daemon) -> None:
    daemon.kill()
    daemon.start()


def kill_keeper(daemon: Daemon) -> None:
    before = keeper_pid(daemon)
    os.kill(before, signal.SIGKILL)
    until(lambda: daemon.call("daemon.status")["keeper_pid"] not in (None, before), "a keeper")


def kill_both(daemon: Daemon) -> None:
    before = keeper_pid(daemon)
    daemon.kill()
    os.kill(before, signal.SIGKILL)
    daemon.start()


def is_connected_anew(shared: Shared) -> None:
    """Wait until the next keeper listens to the kernel."""

    def look() -> bool:
        now = shared.daemon.call("runtime.get", runtime=shared.runtime["id"])
        return bool(now["incarnation"] > shared.runtime["incarnation"])

    until(look, "the next connection")


def printing(shared: Shared) -> str:
    """Return code that prints lines, and waits in the middle until it may go on."""
    go = f"while not os.path.exists({str(shared.gate('go'))!r}): time.sleep(0.01)"
    return (
        f"import os, time\nfor i in range({LINES}):\n    print(i, flush=True)\n"
        f"    if i == {MIDDLE}:\n        {shared.note('middle')}\n        {go}\n"
        f"    time.sleep(0.002)\n{shared.note('ended')}"
    )


def lines(found: Any) -> list[int]:
    return [int(line) for line in text(found).split()]


def is_heard(shared: Shared, found: Any) -> None:
    """Wait until what it printed before the middle is stored."""

    def look() -> bool:
        printed = lines(shared.daemon.call("execution.get", execution=found["id"]))
        return printed == list(range(MIDDLE + 1))

    until(look, "its first lines")


@pytest.mark.parametrize("kill", [kill_daemon, kill_keeper, kill_both])
def test_in_the_middle_of_theirs(shared: Shared, kill: Any) -> None:
    """Theirs has its honest end, and ours, queued behind it, runs once."""
    code = printing(shared)
    request = shared.theirs_run(code, "middle")
    theirs = execution(shared.daemon, shared.runtime, code)
    is_heard(shared, theirs)
    ours = [shared.submit(shared.note(f"q{i}")) for i in range(3)]
    kill(shared.daemon)
    if kill is not kill_daemon:
        is_connected_anew(shared)
    # Whoever is at work again knows that theirs goes on: ours can still be cancelled.
    cancelled = shared.runt("cancel", ours.pop())
    assert cancelled.returncode == 0, cancelled.stderr
    shared.gate("go").touch()
    assert shared.reply(request)["status"] == "ok"
    done = final(shared.daemon, theirs["id"])
    # It was silent while nobody listened, so nothing of it is missing.
    assert lines(done) == list(range(LINES))
    assert done["status"] == "done"
    if kill is kill_daemon:
        assert done["gap"] is None
    else:
        assert done["gap"]["reason"] == "keeper_down"
        assert done["gap"]["from_at"] < done["gap"]["to_at"]
    for each in ours:
        assert shared.runt("wait", each).stdout == f"{each} done\n"
    assert words(shared.truth) == ["middle", "ended", "q0", "q1"]
    listed = shared.daemon.call("execution.list", runtime=shared.runtime["id"])
    assert [each["code"] for each in listed].count(code) == 1
    (only,) = shared.daemon.call("runtime.list", all=True)
    assert (only["id"], only["pid"]) == (shared.runtime["id"], shared.kernel.pid)


def test_theirs_ends_while_nobody_listens(shared: Shared) -> None:
    """That it ended is proven by a barrier; how, nobody knows."""
    code = printing(shared)
    request = shared.theirs_run(code, "middle")
    theirs = execution(shared.daemon, shared.runtime, code)
    is_heard(shared, theirs)
    ours = shared.submit(shared.note("ours"))
    keeper = keeper_pid(shared.daemon)
    shared.daemon.kill()
    os.kill(keeper, signal.SIGKILL)
    shared.gate("go").touch()
    wait_for(shared.truth, "ended")
    assert shared.reply(request)["status"] == "ok"
    shared.daemon.start()
    lost = final(shared.daemon, theirs["id"])
    assert lost["status"] == "lost"
    assert "not known" in lost["reason"]
    assert lost["gap"]["reason"] == "keeper_down"
    assert lines(lost) == list(range(MIDDLE + 1))
    assert shared.runt("wait", ours).stdout == f"{ours} done\n"
    assert words(shared.truth) == ["middle", "ended", "ours"]


@pytest.mark.parametrize("kill", [kill_daemon, kill_keeper, kill_both])
def test_in_the_middle_of_ours(shared: Shared, kill: Any) -> None:
    """Theirs waits in the kernel behind ours: both run once, and in their order."""
    ours = shared.submit(printing(shared))
    wait_for(shared.truth, "middle")
    found = shared.daemon.call("execution.get", execution=ours)
    is_heard(shared, found)
    code = shared.note("theirs")
    request = shared.theirs.execute(code)
    last = shared.submit(shared.note("last"))
    kill(shared.daemon)
    shared.gate("go").touch()
    assert shared.reply(request)["status"] == "ok"
    done = final(shared.daemon, found["id"])
    assert done["status"] == "done"
    assert lines(done)[: MIDDLE + 1] == list(range(MIDDLE + 1))
    if kill is kill_daemon:
        assert (lines(done), done["gap"]) == (list(range(LINES)), None)
        assert execution(shared.daemon, shared.runtime, code, "done")["gap"] is None
    else:
        assert done["gap"]["reason"] == "keeper_down"
    assert shared.runt("wait", last).stdout == f"{last} done\n"
    assert sorted(words(shared.truth)) == sorted(["middle", "ended", "theirs", "last"])
    assert words(shared.truth)[:2] == ["middle", "ended"]
