"""A store that cannot be written, or read: a clear error, kernels unharmed, nothing lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import apsw
import psutil
import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import (
    final,
    note,
    text,
    wait_for,
    wait_for_output,
    wait_for_status,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from runtimed.client.lines import LineClient
    from tests.harness.daemon import Daemon, State


@pytest.fixture
def runtime(daemon: Daemon) -> Any:
    return daemon.call("runtime.start", kernel_name="python3")


class _Full:
    """The daemon can write no file: as on a full disk, though only for this process."""

    def __init__(self, daemon: Daemon) -> None:
        self._pid = daemon.pid

    def __enter__(self) -> None:
        self._limits = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (0, self._limits[1]))

    def __exit__(self, *_: object) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._limits)


def full(daemon: Daemon) -> AbstractContextManager[None]:
    return _Full(daemon)


@pytest.fixture
def waiter(daemon: Daemon) -> Iterator[LineClient]:
    with daemon.state.connection() as client:
        yield client


def test_a_full_disk(daemon: Daemon, runtime: Any, waiter: LineClient) -> None:
    """Nothing is accepted that is not stored; what runs is all there when space returns."""
    truth = daemon.state.project / "truth"
    running = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code="import os\nfor i in range(5000): print(i, flush=True)\n"
        f"{note(truth, 'begun')}\nwhile not os.path.exists('{truth}.go'): pass\n"
        f"for i in range(5000, 10_000): print(i, flush=True)\n{note(truth, 'ended')}",
    )["id"]
    asked = daemon.call("execution.submit", runtime=runtime["id"], code="input('?')")["id"]
    wait_for(truth, "begun")
    with full(daemon):
        for method, params in (
            ("execution.submit", {"runtime": runtime["id"], "code": note(truth, "never")}),
            ("execution.cancel", {"execution": asked}),
            ("runtime.rename", {"runtime": runtime["id"], "name": "other"}),
        ):
            with pytest.raises(CallFailed) as refused:
                daemon.call(method, **params)
            assert refused.value.name == "StoreUnavailable", method
        open(f"{truth}.go", "w").close()
        wait_for(truth, "ended")
        assert daemon.call("runtime.get", runtime=runtime["id"])["name"] == runtime["name"]
        # Whoever waits is not told of an end that is not on record.
        waited = daemon.call("execution.wait", execution=running, wait_s=1.5)
        assert (waited["status"], waited["execution_end"]) == ("running", None)
        (waiting,) = waiter.send_many([("execution.wait", {"execution": running})])
        assert daemon.call("daemon.status")["store"] != "ok"
    done = waiter.result(waiting)
    assert (done["status"], done["gap"]) == ("done", None)
    assert text(done) == "".join(f"{i}\n" for i in range(10_000))
    wait_for_status(daemon, asked, "waiting_input")
    daemon.call("execution.input", execution=asked, value="x")
    assert final(daemon, asked)["status"] == "done"
    assert daemon.call("daemon.status")["store"] == "ok"
    after = daemon.call("execution.eval", runtime=runtime["id"], code=note(truth, "after"))
    assert after["status"] == "done"
    assert words(truth) == ["begun", "ended", "after"]


def test_a_full_disk_while_a_blob_is_written(daemon: Daemon, runtime: Any) -> None:
    with full(daemon), daemon.state.connection() as client:
        truth = daemon.state.project / "truth"
        with pytest.raises(CallFailed):
            client.call("execution.submit", {"runtime": runtime["id"], "code": "1"})
    running = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'begun')}\nimport os\nwhile not os.path.exists('{truth}.go'): pass\n"
        "from IPython.display import display\n"
        f"display({{'text/plain': 'x' * 1_000_000}}, raw=True)\n{note(truth, 'ended')}",
    )["id"]
    wait_for(truth, "begun")
    with full(daemon):
        open(f"{truth}.go", "w").close()
        wait_for(truth, "ended")
        assert daemon.call("runtime.list")
    done = final(daemon, running)
    assert done["outputs"][0]["data"]["text/plain"]["size_bytes"] == 1_000_000
    folder = os.path.join(daemon.state.dir, "blobs")
    names = [name for _, _, files in os.walk(folder) for name in files]
    assert names == [done["outputs"][0]["data"]["text/plain"]["blob"]], "no leftovers"


def test_what_fills_the_disk_can_be_interrupted(daemon: Daemon, runtime: Any) -> None:
    running = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code="import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)",
    )["id"]
    wait_for_output(daemon, running, "begun")
    with full(daemon):
        told = daemon.call("execution.interrupt", execution=running)
    assert told["how"] == "signal"
    assert final(daemon, running)["status"] == "interrupted"


def test_a_kernel_that_starts_and_one_that_dies_while_the_disk_is_full(
    daemon: Daemon, runtime: Any
) -> None:
    with full(daemon):
        with pytest.raises(CallFailed) as refused:
            daemon.call("runtime.start", kernel_name="python3")
        assert refused.value.name == "StoreUnavailable"
        os.kill(runtime["pid"], signal.SIGKILL)
        assert daemon.call("daemon.status")["pid"] == daemon.pid
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"since": "start", "types": ["runtime"]})
        for notification in client.notifications():
            if notification["params"]["data"].get("status") == "dead":
                break
    again = daemon.call("runtime.restart", runtime=runtime["id"])["runtime"]
    assert again["status"] == "alive"


def begin(state: State) -> subprocess.CompletedProcess[str]:
    """Run a daemon that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "runtimed"],
        env=state.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def kept(daemon: Daemon, runtime: Any) -> Iterator[Any]:
    """A runtime that lives on without a daemon, and still does at the end."""
    daemon.call("execution.eval", runtime=runtime["id"], code="x = 41")
    daemon.kill()
    yield runtime
    assert psutil.pid_exists(runtime["pid"])
    daemon.start()
    again = daemon.call("runtime.get", runtime=runtime["id"])
    assert (again["status"], again["pid"]) == ("alive", runtime["pid"])
    result = daemon.call("execution.eval", runtime=runtime["id"], code="x + 1")
    assert result["outputs"][0]["data"]["text/plain"] == "42"


@pytest.mark.parametrize("sound_bytes", [0, 4096])
def test_a_database_that_is_damaged(state: State, kept: Any, sound_bytes: int) -> None:
    database = state.dir / "runtimed.db"
    log = apsw.Connection(str(database))
    assert log.execute("SELECT count(*) FROM event").get
    log.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    log.close()
    content = database.read_bytes()
    try:
        damage = b"this is no database, and never was one\n" * 10_000
        database.write_bytes((content[:sound_bytes] + damage)[: len(content)])
        refused = begin(state)
        assert refused.returncode == 5
        assert refused.stderr.splitlines()[-1].startswith("runtimed: The store cannot take this")
        assert "Traceback" not in refused.stderr
    finally:
        for path in (f"{database}-wal", f"{database}-shm"):
            if os.path.exists(path):
                os.unlink(path)
        database.write_bytes(content)


def test_a_database_of_a_newer_version(state: State, kept: Any) -> None:
    db = apsw.Connection(str(state.dir / "runtimed.db"))
    version = db.pragma("user_version")
    try:
        db.pragma("user_version", version + 1)
        refused = begin(state)
        assert refused.returncode == 5
        (sentence,) = refused.stderr.splitlines()
        assert sentence.startswith(f"runtimed: the database has schema {version + 1}, ")
    finally:
        db.pragma("user_version", version)
        db.close()
