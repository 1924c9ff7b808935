"""Limits on what is executed: acted on once, said why, and nothing is dropped or killed for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.story import WAIT_S, text, wait_for_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon

LIMIT_S = 0.5
LIMIT_BYTES = 20_000
_FOR_EVER = "while True:\n    time.sleep(0.01)"
#: What catches its first interrupt, and says so.
_STUBBORN = f"""
try:
{"    " + _FOR_EVER.replace(chr(10), chr(10) + "    ")}
except KeyboardInterrupt:
    print("caught")
"""


def limited(daemon: Daemon, **limits: Any) -> Repl:
    runtime = daemon.call("runtime.start", kernel_name="python3", limits=limits)
    assert {name: runtime["limits"][name] for name in limits} == limits
    repl = Repl(daemon, runtime["id"])
    repl.eval("import time")
    return repl


@pytest.fixture(scope="module")
def interrupting(daemon: Daemon) -> Repl:
    return limited(daemon, execution_s=LIMIT_S, output_bytes=LIMIT_BYTES)


@pytest.fixture(scope="module")
def detaching(daemon: Daemon) -> Iterator[Repl]:
    yield limited(daemon, execution_s=LIMIT_S, on_execution_s="detach")


def test_what_runs_too_long_is_interrupted_and_says_why(interrupting: Repl) -> None:
    ran = interrupting.eval(_FOR_EVER)
    assert ran["status"] == "interrupted"
    assert ran["reason"] == "it ran longer than 500 ms, the time limit of its runtime"
    assert not ran["detached"]
    assert interrupting.value("1 + 1") == "2"


def test_what_waits_is_interrupted_as_well(interrupting: Repl) -> None:
    assert interrupting.eval("import asyncio; await asyncio.sleep(60)")["status"] == "interrupted"
    assert interrupting.eval("input()")["status"] == "interrupted"


def test_it_is_interrupted_once_and_what_it_does_then_is_its_own_matter(
    interrupting: Repl,
) -> None:
    ran = interrupting.eval(_STUBBORN + "for n in range(8):\n    time.sleep(0.1)\nprint('end')")
    assert (ran["status"], text(ran)) == ("done", "caught\nend\n")
    assert "time limit" in ran["reason"]


def test_what_takes_an_interrupt_and_goes_on_is_waited_for_by_nobody(
    daemon: Daemon, interrupting: Repl
) -> None:
    again = f"""{_STUBBORN}
input()
print("y" * {2 * LIMIT_BYTES}, flush=True)
try:
    time.sleep(1)
except KeyboardInterrupt:
    print("hit again")
input()
"""
    ran = daemon.call("execution.eval", runtime=interrupting.id, code=again, wait_s=WAIT_S)
    assert (ran["status"], ran["detached"]) == ("waiting_input", True)
    assert "an interrupt did not end it" in ran["reason"]
    daemon.call("execution.input", execution=ran["id"], value="")
    while "output limit" not in daemon.call("execution.get", execution=ran["id"])["reason"]:
        pass
    wait_for_status(daemon, ran["id"], "waiting_input")
    daemon.call("execution.interrupt", execution=ran["id"])
    ended = interrupting.final(ran["id"])
    assert ended["status"] == "interrupted"
    assert "hit again" not in text(ended), "the other limit spares what cleans up"


def test_what_puts_out_too_much_is_interrupted_and_nothing_of_it_is_lost(
    interrupting: Repl,
) -> None:
    line = "x" * 99
    ran = interrupting.eval(f"while True:\n    print({line!r}, flush=True)")
    assert ran["status"] == "interrupted"
    assert ran["reason"] == "it put out more than 20000 B, the output limit of its runtime"
    assert len(text(ran)) > LIMIT_BYTES // 2
    goes_on = f"try:\n    print('y' * {2 * LIMIT_BYTES}, flush=True)\n    time.sleep(20)\n"
    goes_on += f"except KeyboardInterrupt:\n    print('z' * {LIMIT_BYTES})"
    ran = interrupting.eval(goes_on)
    assert ran["status"] == "done"
    assert text(ran).count("y") == 2 * LIMIT_BYTES
    assert text(ran).count("z") == LIMIT_BYTES


def test_an_image_counts_as_it_came(interrupting: Repl) -> None:
    shows = "from IPython.display import Image, display\n"
    shows += f"display(Image(data=b'\\x89PNG' + bytes({LIMIT_BYTES}), format='png'))\n"
    ran = interrupting.eval(f"{shows}{_FOR_EVER}")
    assert "output limit" in ran["reason"]


def test_the_time_in_the_queue_does_not_count(interrupting: Repl) -> None:
    first = interrupting.submit(_FOR_EVER)
    second = interrupting.submit("time.sleep(0.1); 'in time'")
    assert interrupting.final(first)["status"] == "interrupted"
    assert interrupting.final(second)["status"] == "done"


def test_whoever_waits_gets_it_back_as_it_is_and_it_runs_on(
    daemon: Daemon, detaching: Repl
) -> None:
    code = "print('so far', flush=True)\ntime.sleep(1.5)\nprint('end')"
    ran = daemon.call("execution.eval", runtime=detaching.id, code=code, wait_s=WAIT_S)
    assert (ran["status"], ran["detached"]) == ("running", True)
    assert ran["reason"].endswith("the time limit of its runtime, and was left running")
    assert text(ran) == "so far\n"
    with pytest.raises(AssertionError):  # eval says so of what is not final
        detaching.eval("time.sleep(1.5)")
    ended = detaching.final(ran["id"])  # who asks later, waits
    assert (ended["status"], text(ended)) == ("done", "so far\nend\n")


def test_who_follows_the_events_is_told_as_well(daemon: Daemon, detaching: Repl) -> None:
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"runtime": detaching.id, "types": ["execution"]})
        slow = detaching.submit("time.sleep(1)")
        changes = (event["params"] for event in client.notifications())
        told = next(e for e in changes if e["execution"] == slow and e["data"].get("detached"))
    assert told["data"]["status"] == "running"


def test_a_limit_goes_on_counting_over_a_restart_of_the_daemon(daemon: Daemon) -> None:
    repl = limited(daemon, execution_s=3.0, output_bytes=LIMIT_BYTES)
    prints = f"print('y' * {LIMIT_BYTES - 2000}, flush=True)\n"
    slow = repl.submit(f"{prints}{_FOR_EVER}")
    wait_for_status(daemon, slow, "running")
    daemon.stop()
    daemon.start()
    ended = repl.final(slow)
    assert (ended["status"], ended["reason"].split(",")[0]) == (
        "interrupted",
        "it ran longer than 3 s",
    )
    loud = repl.submit(f"{prints}input()\nprint('y' * 4000, flush=True)\n{_FOR_EVER}")
    wait_for_status(daemon, loud, "waiting_input")
    daemon.kill()
    daemon.start()
    daemon.call("execution.input", execution=loud, value="")
    assert "output limit" in repl.final(loud)["reason"]


def test_a_kernel_that_an_interrupt_would_end_is_left_running(daemon: Daemon) -> None:
    limits = {"execution_s": LIMIT_S, "output_bytes": 10**6}
    runtime = daemon.call("runtime.start", kernel_name="xpython", limits=limits)
    assert any("an interrupt would end this kernel" in each for each in runtime["notices"])
    slow = "import time\ntime.sleep(1.5)\nprint('end')"
    ran = daemon.call("execution.eval", runtime=runtime["id"], code=slow, wait_s=WAIT_S)
    assert (ran["status"], ran["detached"]) == ("running", True)
    assert "left running: SIGINT ends this kernel" in ran["reason"]
    ended = Repl(daemon, runtime["id"]).final(ran["id"])
    assert (ended["status"], text(ended)) == ("done", "end\n")


@pytest.mark.parametrize(
    "limits", [{"execution_s": 0}, {"output_bytes": 0}, {"on_execution_s": "kill"}, {"speed": 1}]
)
def test_limits_that_make_no_sense_are_refused(daemon: Daemon, limits: dict[str, Any]) -> None:
    with pytest.raises(CallFailed, match=re.escape(next(iter(limits)))) as refused:
        daemon.call("runtime.start", kernel_name="python3", limits=limits)
    assert refused.value.exit_code == 2
