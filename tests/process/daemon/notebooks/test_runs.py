"""Whole notebooks: run as one group, in a runtime that is started where there is none."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import final, text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import Daemon
    from tests.process.daemon.notebooks.conftest import Desk


def finals(daemon: Daemon, run: Any) -> list[Any]:
    return [final(daemon, execution["id"]) for execution in run["executions"]]


def test_run_all_is_one_group_that_an_error_ends(desk: Desk) -> None:
    notebook = desk.notebook("print(1)", "  ", "1/0", "print(3)")
    desk.call("cell.insert", notebook=notebook["id"], src="text", kind="markdown", index=0)
    run = desk.call("notebook.run_all", notebook=notebook["id"])
    assert len({e["group"] for e in run["executions"]} | {run["group"]}) == 1
    assert [e["status"] for e in finals(desk.daemon, run)] == ["done", "error", "cancelled"]
    on = desk.call("notebook.run_all", notebook=notebook["id"], stop_on_error=False)
    assert [e["status"] for e in finals(desk.daemon, on)] == ["done", "error", "done"]
    only = [notebook["cells"][3]["id"], notebook["cells"][0]["id"]]
    some = desk.call("notebook.run_all", notebook=notebook["id"], cells=only)
    assert [text(e) for e in finals(desk.daemon, some)] == ["1\n", "3\n"]
    with pytest.raises(CallFailed, match="No cell"):
        desk.call("notebook.run_all", notebook=desk.notebook("1")["id"], cells=only)


def test_run_all_under_a_name_is_done_once(desk: Desk) -> None:
    notebook = desk.notebook("print(1)", "print(2)")
    run = {"notebook": notebook["id"], "group": "nightly"}
    first = desk.call("notebook.run_all", **run)
    finals(desk.daemon, first)
    again = desk.call("notebook.run_all", **run)
    assert [e["id"] for e in again["executions"]] == [e["id"] for e in first["executions"]]
    assert [e["status"] for e in again["executions"]] == ["done", "done"]


def test_its_own_runtime_is_started_and_started_again(daemon: Daemon, tmp_path: Path) -> None:
    made = daemon.call(
        "notebook.create",
        name="own one",
        kernel_name="python3",
        cells=[{"src": "import os; print(os.getcwd(), os.getpid())"}, {"src": "n = 1"}],
    )
    saved = daemon.call("notebook.save", notebook=made["id"], path=str(tmp_path / "o.ipynb"))
    assert saved["runtime"] is None
    one, two = (cell["id"] for cell in made["cells"])
    with daemon.state.connection() as a, daemon.state.connection() as b:
        # Two at the same time start one kernel.
        (first,) = a.send_many([("cell.run", {"cell": one})])
        (second,) = b.send_many([("cell.run", {"cell": two})])
        ran = [final(daemon, a.result(first)["id"]), final(daemon, b.result(second)["id"])]
    runtime = daemon.call("notebook.get", notebook=made["id"])["runtime"]
    assert {e["runtime"]["id"] for e in ran} == {runtime["id"]}
    assert runtime["name"] == "own one"
    cwd, pid = text(ran[0]).split()
    assert cwd == str(tmp_path)
    assert daemon.call("runtime.get", runtime=runtime["id"])["idle_stop_s"] is not None
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"runtime": runtime["id"], "types": ["runtime"]})
        os.kill(int(pid), signal.SIGKILL)
        for told in client.notifications():
            if told["params"]["data"]["status"] == "dead":
                break
    again = final(daemon, daemon.call("cell.run", cell=one)["id"])
    assert (again["status"], again["runtime"]["id"]) == ("done", runtime["id"])
    fresh = daemon.call("notebook.restart_and_run_all", notebook=made["id"])
    results = finals(daemon, fresh)
    assert [e["status"] for e in results] == ["done", "done"]
    pids = {pid, text(again).split()[1], text(results[0]).split()[1]}
    assert len(pids) == 3
    daemon.call("runtime.stop", runtime=runtime["id"])


def test_a_notebook_closed_while_its_kernel_starts_leaves_none(daemon: Daemon) -> None:
    made = daemon.call("notebook.create", cells=[{"src": "1"}])
    before = {runtime["id"] for runtime in daemon.call("runtime.list")}
    with daemon.state.connection() as client:
        run, closed = client.send_many(
            [
                ("notebook.run_all", {"notebook": made["id"]}),
                ("notebook.delete", {"notebook": made["id"]}),
            ]
        )
        client.result(closed)
        with pytest.raises(CallFailed) as failure:
            client.result(run)
    assert failure.value.data["name"] == "NotebookNotFound"
    assert {runtime["id"] for runtime in daemon.call("runtime.list")} == before


def test_all_survives_the_daemon(daemon: Daemon, desk: Desk) -> None:
    """The last test of the module: the daemon is another one afterwards."""
    notebook = desk.notebook("import time; time.sleep(0.5); print(1)", "print(2)", "print(3)")
    run = desk.call("notebook.run_all", notebook=notebook["id"])
    daemon.kill()
    daemon.start()
    assert [text(e) for e in finals(daemon, run)] == ["1\n", "2\n", "3\n"]
    after = daemon.call("notebook.get", notebook=notebook["id"], outputs=True)
    assert [cell["outputs"][0]["text"] for cell in after["cells"]] == ["1\n", "2\n", "3\n"]
    assert [cell["src"] for cell in after["cells"]] == [c["src"] for c in notebook["cells"]]
