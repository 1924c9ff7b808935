"""Cells: editing with etags, places, runs and their history, and what others hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import final, text

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.client.lines import LineClient
    from tests.process.daemon.notebooks.conftest import Desk


def refused(desk: Desk, method: str, **params: Any) -> dict[str, Any]:
    """Return the error's data of a call that fails."""
    with pytest.raises(CallFailed) as failure:
        desk.call(method, **params)
    data: dict[str, Any] = failure.value.data
    return data


def test_an_edit_for_another_state_is_stale_and_changes_nothing(desk: Desk) -> None:
    (cell,) = desk.notebook("x = 1")["cells"]
    edited = desk.call("cell.edit", cell=cell["id"], src="x = 2", if_match=cell["etag"])
    assert (edited["src"], edited["etag"] != cell["etag"]) == ("x = 2", True)
    data = refused(desk, "cell.edit", cell=cell["id"], src="x = 3", if_match=cell["etag"])
    assert (data["name"], data["exit_code"], data["etag"]) == ("StaleEdit", 4, edited["etag"])
    assert desk.call("cell.get", cell=cell["id"])["src"] == "x = 2"
    # What was sent is not lost either: it goes with the etag that the error named.
    again = desk.call("cell.edit", cell=cell["id"], src="x = 3", if_match=data["etag"])
    assert again["src"] == "x = 3"
    assert refused(desk, "cell.delete", cell=cell["id"], if_match="1")["name"] == "StaleEdit"
    assert desk.sources(cell["notebook"]) == ["x = 3"]


def test_places(desk: Desk) -> None:
    notebook = desk.notebook("a", "b", "c")
    a, b, c = (cell["id"] for cell in notebook["cells"])
    d = desk.call("cell.insert", notebook=notebook["id"], src="d", after=a)
    e = desk.call("cell.insert", notebook=notebook["id"], src="e", kind="markdown")
    first = desk.call("cell.insert", notebook=notebook["id"], src="0", index=0)
    assert [cell["index"] for cell in (d, e, first)] == [1, 4, 0]
    assert desk.sources(notebook["id"]) == ["0", "a", "d", "b", "c", "e"]
    assert desk.call("cell.move", cell=c, index=0)["index"] == 0
    assert desk.call("cell.move", cell=a, after=b)["index"] == 4
    assert desk.sources(notebook["id"]) == ["c", "0", "d", "b", "a", "e"]
    for n in range(70):  # more than a float can be halved
        desk.call("cell.insert", notebook=notebook["id"], src=f"{n}", index=1)
    assert desk.sources(notebook["id"]) == ["c", *map(str, reversed(range(70))), *"0dbae"]
    desk.call("cell.delete", cell=d["id"])
    now = desk.call("notebook.get", notebook=notebook["id"])
    assert (
        [cell["index"] for cell in now["cells"]]
        == list(range(75))
        == list(range(now["cell_count"]))
    )
    stale = refused(desk, "cell.move", cell=b, index=0, if_match=notebook["etag"])
    assert stale["name"] == "StaleEdit"
    assert refused(desk, "cell.move", cell=b, after=d["id"])["name"] == "CellNotFound"
    assert refused(desk, "cell.move", cell=b, after=a, index=0)["name"] == "InvalidParams"


def test_runs_are_executions_and_its_history_stays(desk: Desk) -> None:
    notebook = desk.notebook("n = 1\nprint(n)")
    (cell,) = notebook["cells"]
    first = desk.run(cell["id"])
    assert (first["status"], text(first)) == ("done", "1\n")
    assert first["cell"] == {"notebook": notebook["id"], "id": cell["id"]}
    desk.call("cell.edit", cell=cell["id"], src="print(n + 1)")
    second = desk.run(cell["id"])
    shown = desk.call("cell.get", cell=cell["id"])
    assert shown["outputs"] == second["outputs"]
    assert (shown["execution"]["id"], shown["queued"]) == (second["id"], [])
    assert shown["execution_count"] == second["execution_count"]
    history = desk.call("execution.list", cell=first["cell"])
    assert [execution["id"] for execution in history] == [second["id"], first["id"]]
    (latest,) = desk.call("execution.list", cell=first["cell"], limit=1)
    assert latest["code"] == "print(n + 1)"
    desk.call("cell.delete", cell=cell["id"])
    assert len(desk.call("execution.list", cell=first["cell"])) == 2


def test_run_again_under_one_id_is_one_execution(desk: Desk) -> None:
    one, other = desk.notebook("print('once')", "print('once')")["cells"]
    own = "01K0000000000000000000000A"
    first = desk.run(one["id"], id=own)
    assert desk.run(one["id"], id=own) == first
    assert refused(desk, "cell.run", cell=other["id"], id=own)["name"] == "ExecutionConflict"
    assert len(desk.call("execution.list", cell=first["cell"])) == 1


def test_editing_a_queued_cell_leaves_what_is_queued_and_says_so(desk: Desk) -> None:
    waits, cell = desk.notebook("answer = input('? ')", "print('old')")["cells"]
    blocking = desk.call("cell.run", cell=waits["id"])["id"]
    queued = desk.call("cell.run", cell=cell["id"])
    assert queued["status"] == "queued"
    same = desk.call("cell.edit", cell=cell["id"], metadata={"tags": ["t"]})
    assert (same["queued"], same["notice"]) == ([queued["id"]], None)
    edited = desk.call("cell.edit", cell=cell["id"], src="print('new')")
    assert edited["queued"] == [queued["id"]]
    assert "source that it had" in edited["notice"]
    desk.call("execution.interrupt", execution=blocking)
    assert text(final(desk.daemon, queued["id"])) == "old\n"
    after = desk.call("cell.get", cell=cell["id"])
    assert (after["queued"], after["notice"], after["src"]) == ([], None, "print('new')")


def test_markdown_is_not_run_and_unknown_cells_are_not_found(desk: Desk) -> None:
    notebook = desk.notebook()
    cell = desk.call("cell.insert", notebook=notebook["id"], src="# hi", kind="markdown")
    assert refused(desk, "cell.run", cell=cell["id"])["name"] == "InvalidParams"
    assert refused(desk, "cell.get", cell="01K0000000000000000000000B")["name"] == "CellNotFound"
    assert refused(desk, "notebook.get", notebook="nobody")["name"] == "NotebookNotFound"


def events(client: LineClient, until: str) -> list[dict[str, Any]]:
    """Take events up to the one of the cell with this source."""
    seen = []
    for notification in client.notifications():
        event = notification["params"]
        seen.append(event)
        if event["data"].get("src") == until:
            return seen
    raise AssertionError("the subscription ended")


def test_two_clients_see_each_others_edits_and_runs(desk: Desk) -> None:
    notebook = desk.notebook("a")
    (a,) = notebook["cells"]
    stranger = desk.notebook("elsewhere")
    with desk.daemon.state.connection() as one, desk.daemon.state.connection() as two:
        copies: dict[str, list[Any]] = {}
        cursor = one.call("events.subscribe", {"notebook": notebook["id"]})["cursor"]
        two.call("events.subscribe", {"notebook": notebook["id"]})
        new = one.call("cell.insert", {"notebook": notebook["id"], "src": "print('b')"})
        two.call("cell.edit", {"cell": a["id"], "src": "A"})
        two.call("cell.edit", {"cell": stranger["cells"][0]["id"], "src": "unheard"})
        one.call("cell.move", {"cell": a["id"]})
        ran = two.call("cell.run", {"cell": new["id"]})["id"]
        final(desk.daemon, ran)
        gone = two.call("cell.insert", {"notebook": notebook["id"], "src": "gone"})["id"]
        one.call("cell.delete", {"cell": gone})
        two.call("cell.insert", {"notebook": notebook["id"], "src": "end"})
        seen = {"one": events(one, "end"), "two": events(two, "end")}
    for name, theirs in seen.items():
        copy = copies[name] = [a["id"]]
        for event in (event for event in theirs if event["type"] == "cell"):
            copy[:] = [cell for cell in copy if cell != event["data"]["id"]]
            if not event["data"].get("removed"):
                copy.insert(event["data"]["index"], event["data"]["id"])
    now = [cell["id"] for cell in desk.call("cell.list", notebook=notebook["id"])]
    assert copies == {"one": now, "two": now}
    heard = [(e["type"], e["execution"]) for e in seen["one"] if e["execution"]]
    assert {("execution", ran), ("output", ran)} == set(heard)
    assert {e["notebook"] for e in seen["one"]} == {notebook["id"]}
    # Who was away gets the same from the store.
    with desk.daemon.state.connection() as late:
        late.call("events.subscribe", {"notebook": notebook["id"], "since": cursor})
        assert [e["seq"] for e in events(late, "end")] == [e["seq"] for e in seen["one"]]


def test_any_applications_own_cell_has_its_latest_and_its_events(desk: Desk) -> None:
    cell = {"notebook": 'their "file".py', "id": "cell 7"}
    with desk.daemon.state.connection() as client:
        client.call("events.subscribe", {"notebook": cell["notebook"], "types": ["output"]})
        for n in range(2):
            desk.call(
                "execution.eval", runtime=desk.runtime, code=f"print({n})", cell=cell, wait_s=60
            )
        told = client.notifications()
        said = [next(told)["params"] for _ in range(2)]
    assert [event["data"]["text"] for event in said] == ["0\n", "1\n"]
    assert said[0]["notebook"] == cell["notebook"]
    (latest,) = desk.call("execution.list", cell=cell, limit=1)
    assert latest["code"] == "print(1)"


def test_what_comes_of_a_cell_after_its_end_is_still_its_notebooks(
    desk: Desk, tmp_path: Path
) -> None:
    flag = tmp_path / "go"
    notebook = desk.notebook(
        "import os, threading, time\nfrom IPython.display import display, update_display\n"
        "display('first', display_id='d')\n"
        f"def late():\n    while not os.path.exists({str(flag)!r}): time.sleep(0.01)\n"
        "    print('late', flush=True)\n"
        "threading.Thread(target=late).start()",
        "update_display('second', display_id='d')",
    )
    one, two = notebook["cells"]
    with desk.daemon.state.connection() as client:
        ran = desk.run(one["id"])["id"]
        client.call("events.subscribe", {"notebook": notebook["id"], "types": ["output"]})
        desk.run(two["id"])
        event = next(client.notifications())["params"]
        assert (event["execution"], event["data"]["op"]) == (ran, "update")
        flag.touch()
        told = (each["params"] for each in client.notifications())
        event = next(event for event in told if event["data"].get("text") == "late\n")
        assert event["notebook"] == notebook["id"]
    shown = desk.call("cell.get", cell=one["id"])["outputs"]
    assert shown[0]["data"]["text/plain"] == "'second'"


def test_a_cell_after_itself_stays_where_it_is(desk: Desk) -> None:
    notebook = desk.notebook("a = 1", "b = 2")
    first = notebook["cells"][0]["id"]
    assert desk.call("cell.move", cell=first, after=first)["index"] == 0
    assert desk.call("notebook.get", notebook=notebook["id"])["etag"] == notebook["etag"]


def test_an_edit_that_changes_nothing_leaves_the_etag(desk: Desk) -> None:
    notebook = desk.notebook("a = 1")
    cell = notebook["cells"][0]
    same = desk.call("cell.edit", cell=cell["id"], src=cell["src"])
    assert same["etag"] == cell["etag"]
    assert desk.call("cell.edit", cell=cell["id"], src="other")["etag"] != cell["etag"]
    known = desk.call("notebook.get", notebook=notebook["id"])
    edited = desk.call("notebook.edit", notebook=known["id"], metadata=known["metadata"])
    assert edited["etag"] == known["etag"]
    assert desk.call("notebook.rename", notebook=known["id"], name=known["name"]) == edited
