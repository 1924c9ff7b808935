"""Kernels of a Jupyter server: whose they are, and what the server itself would have lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psutil

from tests.harness import daemon as harness
from tests.harness import jupyter_server as jupyter
from tests.harness.daemon import Daemon
from tests.process.daemon.adoption.waiting import adopted, execution, until
from tests.process.daemon.story import final, note, wait_for, words

if TYPE_CHECKING:
    from tests.harness.daemon import State
    from tests.harness.jupyter_server import JupyterServer


def notebook(daemon: Daemon, runtime: Any) -> Any:
    """Wait until it is known whose kernel it is, and return the owner."""

    def look() -> Any:
        owner = daemon.call("runtime.get", runtime=runtime["id"])["owner"]
        return owner if owner and owner["path"] else None

    return until(look, "its owner")


def test_notebooks_are_told_apart(daemon: Daemon, jupyter_server: JupyterServer) -> None:
    sessions = [jupyter_server.create_session(f"{name}.ipynb") for name in ("one", "two")]
    for session in sessions:
        found = adopted(daemon, session.connection_file)
        owner = notebook(daemon, found)
        assert owner["kind"] == "jupyter_server"
        assert owner["path"] == session.path
        assert owner["url"] == jupyter_server.url
        assert owner["pid"] == jupyter_server.pid
        assert daemon.call("runtime.get", runtime=session.path)["id"] == found["id"]
        assert daemon.call("runtime.get", runtime=session.kernel_id)["id"] == found["id"]


def test_a_notebook_that_is_renamed(state: State, jupyter_server: JupyterServer) -> None:
    daemon = Daemon(state, {"RUNTIMED_RESCAN_INTERVAL_S": "0.5"}).start()
    try:
        session = jupyter_server.create_session("old.ipynb")
        runtime = adopted(daemon, session.connection_file)
        notebook(daemon, runtime)
        done = daemon.call("execution.eval", runtime=runtime["id"], code="1", wait_s=60)
        assert done["runtime"]["notebook"] == "old.ipynb"
        jupyter_server.request("PATCH", f"api/sessions/{session.id}", {"path": "new.ipynb"})
        until(lambda: notebook(daemon, runtime)["path"] == "new.ipynb", "the new name")
        assert notebook(daemon, runtime)["earlier_paths"] == ["old.ipynb"]
        for name in ("old.ipynb", "new.ipynb"):
            listed = harness.runt(state, "history", "--runtime", name, "--json")
            assert [each["id"] for each in json.loads(listed.stdout)["executions"]] == [done["id"]]
    finally:
        daemon.dispose()


def test_what_the_server_loses_is_on_the_record(
    daemon: Daemon, jupyter_server: JupyterServer
) -> None:
    """A cell prints while its client is away: the server keeps nothing of the middle."""
    session = jupyter_server.create_session("long.ipynb")
    runtime = adopted(daemon, session.connection_file)
    count = 400
    code = (
        f"import time\nfor i in range({count}):\n"
        "    print('line', i, flush=True)\n    time.sleep(0.05)"
    )
    with jupyter_server.connect(session, "tab") as socket:
        parent = socket.execute(code)
        socket.wait_for("stream", parent)
    running = execution(daemon, runtime, code, "running")
    with jupyter_server.connect(session, "another-tab") as socket:
        socket.wait_for("status", parent, execution_state="idle")
        theirs = jupyter.text(socket.received)
    done = final(daemon, running["id"])
    page = daemon.call("execution.output", execution=running["id"])
    assert page["lines"] == [f"line {i}" for i in range(count)]
    assert (done["status"], done["gap"]) == ("done", None)
    assert "line 0\n" not in theirs
    known = daemon.call("execution.list", runtime="long.ipynb")
    assert [each["id"] for each in known] == [running["id"]]


def test_restart_is_the_servers_to_do(
    state: State, daemon: Daemon, jupyter_server: JupyterServer
) -> None:
    session = jupyter_server.create_session("mine.ipynb")
    runtime = adopted(daemon, session.connection_file)
    notebook(daemon, runtime)
    truth = state.project / "truth"
    ours = daemon.call(
        "execution.submit",
        runtime=runtime["id"],
        code=f"{note(truth, 'ours')}\nimport time; time.sleep(600)",
    )["id"]
    wait_for(truth, "ours")
    ended = daemon.call("runtime.restart", runtime=runtime["id"], force=True)
    assert ended["how"] == "jupyter_server"
    assert ended["runtime"]["pid"] != runtime["pid"]
    assert ended["runtime"]["incarnation"] > runtime["incarnation"]
    # It interrupts before it ends the process.
    assert final(daemon, ours)["status"] in ("kernel_died", "interrupted")
    assert daemon.call("execution.eval", runtime=runtime["id"], code="1")["status"] == "done"
    stopped = daemon.call("runtime.stop", runtime=runtime["id"], force=True)
    assert stopped["how"] == "jupyter_server"
    assert jupyter_server.kernels() == []
    assert not psutil.pid_exists(ended["runtime"]["pid"])


def test_the_server_restarts_during_theirs_with_ours_queued(
    state: State, daemon: Daemon, jupyter_server: JupyterServer
) -> None:
    """It interrupts first: ours is not let into the process that is about to go."""
    session = jupyter_server.create_session("mine.ipynb")
    runtime = adopted(daemon, session.connection_file)
    truth = state.project / "truth"
    code = f"{note(truth, 'theirs')}\nimport time; time.sleep(600)"
    with jupyter_server.connect(session) as socket:
        socket.execute(code)
        wait_for(truth, "theirs")
        execution(daemon, runtime, code, "running")
        ours = [
            daemon.call("execution.submit", runtime=runtime["id"], code=note(truth, "ours"))["id"]
            for _ in range(2)
        ]
        jupyter_server.restart_kernel(session)
    assert execution(daemon, runtime, code, "interrupted", "kernel_died")
    assert [final(daemon, each)["status"] for each in ours] == ["cancelled", "cancelled"]
    again = adopted(daemon, session.connection_file, incarnation=runtime["incarnation"] + 1)
    assert again["pid"] != runtime["pid"]
    assert again["id"] == runtime["id"]
    assert words(truth) == ["theirs"]
    assert daemon.call("runtime.prune") == []
    with jupyter_server.connect(session) as socket:
        socket.run(note(truth, "after"))
    execution(daemon, runtime, note(truth, "after"), "done")


def test_the_server_ends_with_its_kernels(daemon: Daemon, jupyter_server: JupyterServer) -> None:
    session = jupyter_server.create_session("mine.ipynb")
    runtime = adopted(daemon, session.connection_file)
    jupyter_server.stop()
    adopted(daemon, session.connection_file, "dead", id=runtime["id"])
