"""How executions end, in which order they run, and what a failing one takes with it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from ulid import ULID

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import note, text, wait_for_output, wait_for_status, words

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon
    from tests.process.daemon.executions.conftest import Repl

FOREVER = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)"


def test_done(repl: Repl) -> None:
    done = repl.eval("print('a'); 1 + 1")
    assert (done["status"], done["reason"], done["gap"]) == ("done", None, None)
    assert done["queued_at"] <= done["execution_started"] <= done["execution_end"]
    assert done["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "a\n"},
        {
            "output_type": "execute_result",
            "data": {"text/plain": "2"},
            "metadata": {},
            "execution_count": done["execution_count"],
        },
    ]


def test_error(repl: Repl) -> None:
    failed = repl.eval("1 / 0")
    assert failed["status"] == "error"
    (output,) = failed["outputs"]
    assert (output["output_type"], output["ename"]) == ("error", "ZeroDivisionError")
    assert output["evalue"] == "division by zero"
    assert "ZeroDivisionError" in output["traceback"][-1]


@pytest.mark.parametrize(
    "code", ["raise SystemExit", "raise SystemExit(3)", "import sys; sys.exit()"]
)
def test_system_exit_does_not_end_the_kernel(repl: Repl, code: str) -> None:
    ended = repl.eval(code)
    assert ended["status"] == "error"
    # The first one also draws a warning of IPython's, on stderr.
    assert "SystemExit" in [output.get("ename") for output in ended["outputs"]]
    assert repl.value("1 + 1") == "2"


def test_syntax_error(repl: Repl) -> None:
    failed = repl.eval("def (")
    assert (failed["status"], failed["outputs"][-1]["ename"]) == ("error", "SyntaxError")


def test_interrupted(repl: Repl) -> None:
    running = repl.submit(FOREVER)
    wait_for_output(repl.daemon, running, "begun")
    told = repl.daemon.call("execution.interrupt", execution=running)
    assert told == {
        "how": "signal",
        "execution": running,
        "ended": True,
        "status": "interrupted",
        "reason": None,
    }
    ended = repl.final(running)
    assert ended["status"] == "interrupted"
    assert ended["outputs"][-1]["ename"] == "KeyboardInterrupt"
    again = repl.daemon.call("execution.interrupt", execution=running)
    assert again["how"] == "none"


def test_interrupt_that_the_code_catches(repl: Repl) -> None:
    """What was observed counts: it went on, and ended well."""
    running = repl.submit(
        "try:\n    print('begun', flush=True)\n    import time; time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('caught')"
    )
    wait_for_output(repl.daemon, running, "begun")
    told = repl.daemon.call("execution.interrupt", execution=running, wait_s=60)
    assert (told["how"], told["ended"], told["status"]) == ("signal", True, "done")
    ended = repl.final(running)
    assert (ended["status"], text(ended)) == ("done", "begun\ncaught\n")


def test_cancelled(repl: Repl) -> None:
    truth = repl.daemon.state.project / "cancelled"
    running = repl.submit(FOREVER)
    first, second, third = (repl.submit(note(truth, f"q{i}")) for i in range(3))
    assert repl.daemon.call("execution.cancel", execution=first)["status"] == "cancelled"
    told = repl.daemon.call("execution.interrupt", execution=third)
    assert told["how"] == "cancelled"
    wait_for_output(repl.daemon, running, "begun")
    assert repl.daemon.call("execution.cancel", execution=running)["status"] == "running"
    repl.daemon.call("execution.interrupt", execution=running)
    assert repl.final(second)["status"] == "done"
    assert words(truth) == ["q1"]
    cancelled = repl.get(first)
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "it was cancelled")
    assert cancelled["execution_started"] is None
    assert cancelled["execution_end"] is not None


def test_they_run_in_the_order_of_submission(repl: Repl) -> None:
    """Also where the clients' own ids say otherwise."""
    truth = repl.daemon.state.project / "order"
    blocker = repl.submit("import time; time.sleep(0.3)")
    ids = [str(ULID.from_timestamp(2_000_000_000 - i)) for i in range(10)]
    for i, identity in enumerate(ids):
        repl.submit(note(truth, str(i)), id=identity)
    assert repl.daemon.call("runtime.get", runtime=repl.id)["queue_length"] == 10
    repl.final(blocker)
    repl.final(ids[-1])
    assert words(truth) == [str(i) for i in range(10)]
    listed = repl.daemon.call("execution.list", runtime=repl.id, limit=10)
    assert [each["id"] for each in listed] == ids[::-1]
    before = repl.daemon.call("execution.list", runtime=repl.id, before=ids[2], limit=3)
    assert [each["id"] for each in before] == [ids[1], ids[0], blocker]


def test_a_failure_cancels_what_is_queued_of_its_group_only(repl: Repl) -> None:
    truth = repl.daemon.state.project / "groups"
    repl.submit("import time; time.sleep(0.3)")
    failing = repl.submit("1 / 0", group="a")
    same = [repl.submit(note(truth, f"a{i}"), group="a") for i in range(2)]
    other = repl.submit(note(truth, "b"), group="b")
    tolerated = repl.submit("1 / 0", group="b", stop_on_error=False)
    after = repl.submit(note(truth, "after"), group="b")
    alone = repl.submit(note(truth, "alone"))
    assert repl.final(alone)["status"] == "done"
    assert repl.get(failing)["status"] == "error"
    for each in same:
        cancelled = repl.get(each)
        assert cancelled["status"] == "cancelled"
        assert cancelled["reason"] == f"{failing} of its group ended as error"
    assert repl.get(other)["status"] == "done"
    assert repl.get(tolerated)["status"] == "error"
    assert repl.get(after)["status"] == "done"
    assert words(truth) == ["b", "after", "alone"]
    # A group is no tombstone: what is submitted to it later runs.
    assert repl.eval(note(truth, "later"), group="a")["status"] == "done"


def test_an_interrupt_cancels_the_rest_of_the_group(repl: Repl) -> None:
    truth = repl.daemon.state.project / "interrupted-group"
    running = repl.submit(FOREVER, group="g")
    queued = repl.submit(note(truth, "ran"), group="g")
    wait_for_output(repl.daemon, running, "begun")
    repl.daemon.call("execution.interrupt", execution=running)
    assert repl.final(queued)["status"] == "cancelled"
    assert repl.final(running)["status"] == "interrupted"
    assert words(truth) == []


@pytest.mark.parametrize("upper", [True, False])
def test_the_same_id_is_the_same_execution(repl: Repl, upper: bool) -> None:
    truth = repl.daemon.state.project / f"same-{upper}"
    identity = str(ULID())
    given = identity if upper else identity.lower()
    first = repl.eval(note(truth, "once"), id=given)
    assert first["id"] == identity
    again = repl.eval(note(truth, "once"), id=given)
    assert again == first
    assert words(truth) == ["once"]


def test_the_same_id_while_it_is_queued(repl: Repl) -> None:
    truth = repl.daemon.state.project / "same-queued"
    blocker = repl.submit(FOREVER)
    identity = str(ULID())
    for _ in range(3):
        assert repl.submit(note(truth, "once"), id=identity) == identity
    wait_for_output(repl.daemon, blocker, "begun")
    repl.daemon.call("execution.interrupt", execution=blocker)
    assert repl.final(identity)["status"] == "done"
    assert words(truth) == ["once"]


def test_the_same_id_for_something_else_is_a_conflict(repl: Repl) -> None:
    identity = str(ULID())
    repl.eval("1", id=identity)
    with pytest.raises(CallFailed) as refused:
        repl.submit("2", id=identity)
    assert (refused.value.name, refused.value.data["difference"]) == ("ExecutionConflict", "code")
    other = repl.daemon.call("runtime.start", kernel_name="python3")["id"]
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("execution.submit", runtime=other, code="1", id=identity)
    assert refused.value.data["difference"] == "runtime"
    repl.daemon.call("runtime.kill", runtime=other)


@pytest.mark.parametrize("identity", ["x", "", "0" * 25, "8" + "0" * 25, "é" * 26, "I" * 26])
def test_a_bad_id_is_named(repl: Repl, identity: str) -> None:
    with pytest.raises(CallFailed) as refused:
        repl.submit("1", id=identity)
    assert refused.value.name == "InvalidParams"
    assert "$.id" in refused.value.message


def test_cells_of_any_application(repl: Repl) -> None:
    cell = {"notebook": "/a/b.ipynb", "id": "c-1"}
    ids = [repl.submit(str(i), cell=cell) for i in range(3)]
    other = repl.submit("9", cell={"notebook": "/a/b.ipynb", "id": "c-2"})
    assert repl.final(other)["cell"]["id"] == "c-2"
    found = repl.daemon.call("execution.list", cell=cell)
    assert [each["id"] for each in found] == ids[::-1]
    assert {tuple(each["cell"].items()) for each in found} == {tuple(cell.items())}
    assert all(each["outputs"] is None for each in found)
    assert repl.daemon.call("execution.list", cell={"notebook": "/a/b.ipynb", "id": "?"}) == []


def test_who_requested_it(repl: Repl) -> None:
    me = {"client": "tests", "pid": os.getpid(), "session": None, "agent": None}
    assert repl.eval("1")["requested_by"] == me


def test_filters_of_the_list(repl: Repl) -> None:
    failed = repl.eval("1 / 0")["id"]
    found = repl.daemon.call("execution.list", runtime=repl.id, status=["error"], limit=1)
    assert [each["id"] for each in found] == [failed]
    assert repl.daemon.call("execution.list", status=["lost"]) == []


def test_short_ids(repl: Repl) -> None:
    identity = repl.eval("1")["id"]
    assert repl.get(identity[-8:].lower())["id"] == identity
    for unknown in ("00000000", str(ULID()), "no such"):
        with pytest.raises(CallFailed) as refused:
            repl.get(unknown)
        assert refused.value.name == "ExecutionNotFound"


def test_odd_code(repl: Repl) -> None:
    assert repl.eval("")["status"] == "done"
    nul = repl.eval("'a\x00b'")
    assert nul["status"] in ("done", "error")
    assert repl.get(nul["id"])["code"] == "'a\x00b'"
    assert repl.value("'\N{GRINNING FACE}' + '\\u2028'") == "'\N{GRINNING FACE}\\u2028'"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)", "signal"),
        ("import os; os._exit(7)", "status 7"),
    ],
)
def test_the_kernel_dies_of_it(daemon: Daemon, code: str, reason: str) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")["id"]
    truth = daemon.state.project / "died"
    go = daemon.state.project / "go"
    code = f"import os\nwhile not os.path.exists({str(go)!r}): pass\n{code}"
    dying = daemon.call("execution.submit", runtime=runtime, code=code, group="g")["id"]
    behind = {"runtime": runtime, "code": note(truth, "q"), "group": "g"}
    queued = daemon.call("execution.submit", **behind)["id"]
    wait_for_status(daemon, dying, "running")
    go.touch()
    died = wait_for_status(daemon, dying, "kernel_died")
    assert reason in died["reason"]
    assert daemon.call("execution.wait", execution=queued)["status"] == "cancelled"
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"since": "start", "execution": queued})
        events = client.notifications()
        statuses = [next(events)["params"]["data"]["status"] for _ in range(2)]
        client.call("execution.get", {"execution": queued})
        assert statuses == ["queued", "cancelled"]
        assert not client.has_notifications(), "final exactly once"
    with pytest.raises(CallFailed) as refused:
        daemon.call("execution.submit", runtime=runtime, code="1")
    assert refused.value.name == "RuntimeDead"
    assert words(truth) == []
    go.unlink()


def test_exit_ends_the_kernel_and_the_execution_is_done(daemon: Daemon) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")["id"]
    ended = daemon.call("execution.eval", runtime=runtime, code="print('bye'); exit()")
    assert (ended["status"], text(ended)) == ("done", "bye\n")
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"runtime": runtime, "since": "start"})
        for notification in client.notifications():
            if notification["params"]["data"].get("status") == "dead":
                break
    assert daemon.call("runtime.get", runtime=runtime)["exit"]["code"] == 0


def test_what_is_on_its_way_is_not_cancelled_and_the_answer_says_why(daemon: Daemon) -> None:
    runtime = daemon.call("runtime.start", kernel_name="python3")["id"]
    keeper = daemon.call("daemon.status")["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        sent = daemon.call("execution.submit", runtime=runtime, code="'ran'")["id"]
        told = daemon.call("execution.cancel", execution=sent)
        assert (told["status"], told["reason"]) == ("queued", "it is on its way to the kernel")
        assert daemon.call("execution.get", execution=sent)["reason"] is None
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert daemon.call("execution.wait", execution=sent)["status"] == "done"
    daemon.call("runtime.kill", runtime=runtime)
