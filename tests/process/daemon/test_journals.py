"""Journals do not grow for ever: what has reached the database on disk is dropped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.harness.daemon import Daemon
from tests.process.daemon.story import WAIT_S, text

if TYPE_CHECKING:
    from tests.harness.daemon import State

SEGMENT_BYTES = 50_000


def test_closed_segments_go_after_a_checkpoint(state: State) -> None:
    daemon = Daemon(
        state,
        {
            "RUNTIMED_SEGMENT_BYTES": str(SEGMENT_BYTES),
            "RUNTIMED_CHECKPOINT_BYTES": "200000",
        },
    ).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")["id"]
    folder = state.dir / "journal" / runtime
    code = "for i in range(1000): print('x' * 100, i)"
    ids = []
    deadline = time.monotonic() + WAIT_S
    while not folder.exists() or (folder / f"{0:020d}.journal").exists():
        assert time.monotonic() < deadline, sorted(folder.iterdir())
        ids.append(daemon.call("execution.eval", runtime=runtime, code=code)["id"])
    daemon.kill()
    daemon.start()
    whole = "".join(f"{'x' * 100} {i}\n" for i in range(1000))
    for identity in ids:
        assert text(daemon.call("execution.get", execution=identity)) == whole
    after = daemon.call("execution.eval", runtime=runtime, code="6 * 7", wait_s=WAIT_S)
    assert after["outputs"][0]["data"]["text/plain"] == "42"
    daemon.stop(kernels=True)


def test_a_removed_runtime_leaves_no_journal_and_its_executions_stay(state: State) -> None:
    daemon = Daemon(state).start()
    runtime = daemon.call("runtime.start", kernel_name="python3")["id"]
    done = daemon.call("execution.eval", runtime=runtime, code="6 * 7")["id"]
    daemon.call("runtime.kill", runtime=runtime)
    daemon.call("runtime.remove", runtime=runtime)
    assert not (state.dir / "journal" / runtime).exists()
    assert list((state.dir / "kernels").iterdir()) == []
    assert daemon.call("runtime.list", all=True) == []
    found = daemon.call("execution.get", execution=done)
    assert (found["status"], found["runtime"]["id"]) == ("done", runtime)
    daemon.stop(kernels=True)
