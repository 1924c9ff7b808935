"""What is left when the daemon, the keeper or the kernel stops dead.

The truth is a file that the kernel writes, not our store.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from ulid import ULID

from runtimed.client.connecting import CallFailed
from runtimed.host import Step
from tests.harness.daemon import Daemon
from tests.process.daemon.story import WAIT_S, final, note, text, wait_for, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.daemon import State


@pytest.fixture
def runtime(daemon: Daemon) -> Any:
    return daemon.call("runtime.start", kernel_name="python3")


def events_since(daemon: Daemon, cursor: str, until: str) -> Iterator[Any]:
    """Yield events after the cursor, up to the final one of an execution."""
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"since": cursor})
        for notification in client.notifications():
            event = notification["params"]
            yield event
            if event["execution"] == until and event["data"].get("status") == "done":
                return


def test_daemon_killed_in_the_middle_of_a_cell(daemon: Daemon, runtime: Any) -> None:
    truth = daemon.state.project / "truth"
    daemon.call("execution.eval", runtime=runtime["id"], code="x = 41")
    cursor = daemon.call("daemon.status")["cursor"]
    printing = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code="import time\nfor i in range(600):\n    print(i, flush=True)\n"
        f"    if i == 100: {note(truth, 'begun')}\n    time.sleep(0.01)",
    )
    queued = [
        daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, f"q{i}"))
        for i in range(5)
    ]
    wait_for(truth, "begun")
    daemon.kill()
    daemon.start()
    again = daemon.call("runtime.get", runtime=runtime["id"])
    assert again["pid"] == runtime["pid"]
    done = final(daemon, printing["id"])
    assert done["status"] == "done"
    assert done["gap"] is None
    assert text(done) == "".join(f"{i}\n" for i in range(600))
    for each in queued:
        assert final(daemon, each["id"])["status"] == "done"
    assert words(truth) == ["begun", "q0", "q1", "q2", "q3", "q4"]
    x = daemon.call("execution.eval", runtime=runtime["id"], code="x + 1")
    assert x["outputs"][0]["data"]["text/plain"] == "42"
    seen = list(events_since(daemon, cursor, until=queued[-1]["id"]))
    seqs = [event["seq"] for event in seen]
    assert seqs == list(range(int(cursor.split(".")[1]) + 1, seqs[-1] + 1))
    printed = [
        event["data"]["text"]
        for event in seen
        if event["type"] == "output" and event["execution"] == printing["id"]
    ]
    assert "".join(printed) == "".join(f"{i}\n" for i in range(600))


@pytest.mark.parametrize("step", [step for step in Step if step.startswith("daemon.")])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_daemon_stopped_dead_at_a_step(state: State, step: Step, nth: int) -> None:
    """Whatever was accepted runs exactly once, and is recorded as it was."""
    daemon = Daemon(state).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")
    daemon.stop()
    truth = state.project / "truth"
    doomed = Daemon(state, {"RUNTIMED_STOP_AT": f"{step}:{nth}"}).start()
    ids = submit_until_death(doomed, runtime["id"], truth)
    daemon.start()
    check_once(daemon, ids, truth)
    daemon.stop(kernels=True)


@pytest.mark.parametrize("step", [step for step in Step if step.startswith("keeper.")])
@pytest.mark.parametrize("nth", [9, 14, 21])
def test_keeper_stopped_dead_at_a_step(state: State, step: Step, nth: int) -> None:
    """Nothing runs twice; what may not have run says `lost`, what ran on says so with a gap."""
    keeper = start_keeper(
        state, {"RUNTIMED_STOP_AT": f"{step}:{nth}", "RUNTIMED_KEEPER_LINGER_S": "60"}
    )
    daemon = Daemon(state).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")
    truth = state.project / "truth"
    ids = []
    deadline = time.monotonic() + WAIT_S
    while keeper.poll() is None and time.monotonic() < deadline:
        ids.append(str(ULID()))
        daemon.call(
            "execution.eval",
            runtime=runtime["id"],
            id=ids[-1],
            wait_s=WAIT_S,
            code=note(truth, ids[-1]),
        )
    assert keeper.wait(WAIT_S) == -signal.SIGKILL
    check_once(daemon, ids, truth)
    again = daemon.call("runtime.get", runtime=runtime["id"])
    assert (again["pid"], again["status"]) == (runtime["pid"], "alive")
    daemon.stop(kernels=True)


def start_keeper(state: State, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a keeper of our own, which the daemon will find; the next one is the daemon's."""
    state.files.create()
    ready, ready_child = os.pipe()
    with open(state.files.keeper_log, "ab") as log:
        keeper = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "runtimed",
                "keeper",
                "--state-dir",
                str(state.dir),
                "--ready-fd",
                str(ready_child),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=state.env | env,
            cwd="/",
            start_new_session=True,
            pass_fds=(ready_child,),
        )
    os.close(ready_child)
    with open(ready, "rb") as pipe:
        assert pipe.readline() == b"ready\n"
    return keeper


def submit_until_death(daemon: Daemon, runtime: str, truth: Path) -> list[str]:
    """Submit under ids of our own until the daemon has died; return those that we tried."""
    tried: list[str] = []
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        identity = str(ULID())
        tried.append(identity)
        try:
            daemon.call(
                "execution.eval",
                runtime=runtime,
                id=identity,
                wait_s=5,
                code=note(truth, identity),
            )
        except (CallFailed, OSError):
            break
    assert daemon.process is not None
    assert daemon.process.wait(WAIT_S) == -signal.SIGKILL
    daemon.process = None
    return tried


def check_once(daemon: Daemon, ids: list[str], truth: Path) -> None:
    """Submit again what may not have been accepted: it must not run a second time."""
    runtime = daemon.call("runtime.list")[0]["id"]
    for identity in ids:
        if identity not in words(truth):
            try:
                found = daemon.call("execution.get", execution=identity)
            except CallFailed:  # it was never accepted
                found = daemon.call(
                    "execution.submit", runtime=runtime, id=identity, code=note(truth, identity)
                )
        else:
            found = daemon.call("execution.get", execution=identity)
        assert final(daemon, found["id"])["status"] in ("done", "lost")
    ran = words(truth)
    assert len(ran) == len(set(ran)), ran
    for identity in ids:
        status = daemon.call("execution.get", execution=identity)["status"]
        assert (status == "done") == (identity in ran) or status == "lost"
