"""What a notebook shows stays, what it was does not: after forget, retention, edits and closing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.notebooks.test_files import OUTPUTS, cell, read, write
from tests.process.daemon.story import final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.process.daemon.notebooks.conftest import Desk


def told(desk: Desk, notebook: str) -> list[Any]:
    """Return a notebook's events, as who comes now is told of them."""
    last = desk.call("notebook.create", name="last")["id"]
    found: list[Any] = []
    with desk.daemon.state.connection() as client:
        client.call("events.subscribe", {"since": "start", "types": ["notebook", "cell"]})
        for notification in client.notifications():
            event = notification["params"]
            if event["notebook"] == last:
                return found
            if event["notebook"] == notebook:
                found.append(event["data"])
    raise AssertionError


@contextlib.contextmanager
def a_limit_of(desk: Desk, size: str) -> Iterator[None]:
    config = desk.daemon.state.home / ".config" / "runtimed" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    try:
        config.write_text(f'retention_bytes = "{size}"\n')
        desk.call("daemon.reload")
        yield
    finally:
        config.unlink()
        desk.call("daemon.reload")


def test_a_run_after_forget_is_shown_and_saved(desk: Desk, tmp_path: Path) -> None:
    other = desk.call("runtime.start", kernel_name="python3")["id"]
    for n in range(3):
        desk.call("execution.eval", runtime=other, code=str(n), wait_s=60)
    path = write(tmp_path / "f.ipynb", cell("code", "print('NEW')", outputs=OUTPUTS))
    opened = desk.call("notebook.open", path=str(path))
    desk.call("runtime.forget", runtime=other)
    ran = desk.run(opened["cells"][0]["id"], runtime=desk.runtime)
    desk.call("runtime.stop", runtime=other)
    shown = desk.call("cell.get", cell=opened["cells"][0]["id"])
    assert shown["outputs"] == ran["outputs"]
    desk.call("notebook.save", notebook=opened["id"])
    assert [output.text for output in read(path).cells[0].outputs] == ["NEW\n"]


def test_what_is_replaced_is_in_no_event_any_more(desk: Desk) -> None:
    notebook = desk.notebook("word = 'HUNTER-1'", "other")
    one, other = (each["id"] for each in notebook["cells"])
    desk.call("cell.edit", cell=one, src="word = 'HUNTER-2'")
    desk.call("cell.move", cell=other, index=0)
    desk.call("cell.edit", cell=one, src="word = 'HUNTER-3'")
    data = [each for each in told(desk, notebook["id"]) if each["id"] == one]
    assert data[0] == {"id": one, "index": 0, "superseded": True}
    assert (data[-1]["src"], data[-1]["index"]) == ("word = 'HUNTER-3'", 1)
    desk.call("cell.delete", cell=one)
    last = [each for each in told(desk, notebook["id"]) if each["id"] == one][-2:]
    assert last == [{"id": one, "index": 1, "superseded": True}, {"id": one, "removed": True}]
    desk.call("notebook.delete", notebook=notebook["id"])
    assert told(desk, notebook["id"]) == [{"id": notebook["id"], "removed": True}]
    for suffix in ("", "-wal"):
        stored = (desk.daemon.state.dir / f"runtimed.db{suffix}").read_bytes()
        assert b"HUNTER" not in stored


def test_edits_of_a_large_cell_take_no_more_room(desk: Desk) -> None:
    large = {"i.png": {"image/png": "A" * 300_000}}
    made = desk.call("notebook.create", cells=[{"src": "0", "kind": "markdown"}])
    edited = made["cells"][0]["id"]
    for n in range(20):
        desk.call("cell.edit", cell=edited, src=str(n), attachments=large)
    db = apsw.Connection(
        str(desk.daemon.state.dir / "runtimed.db"), flags=apsw.SQLITE_OPEN_READONLY
    )
    try:
        sql = "SELECT sum(octet_length(data_json)) FROM event WHERE notebook_id = ?"
        assert db.execute(sql, (made["id"],)).get < 700_000
    finally:
        db.close()
    desk.call("notebook.delete", notebook=made["id"])


def test_what_an_open_notebook_shows_is_not_removed(desk: Desk, tmp_path: Path) -> None:
    notebook = desk.notebook("print('important ' * 20_000)", "print('gone ' * 20_000)")
    shown, edited = (each["id"] for each in notebook["cells"])
    desk.run(edited)
    runs = {"older": desk.run(shown), "newest": desk.run(shown)}
    path = tmp_path / "r.ipynb"
    desk.call("notebook.save", notebook=notebook["id"], path=str(path))
    before = read(path)
    with a_limit_of(desk, "64 KiB"):
        assert desk.call("daemon.gc")["executions"]
    removed = {
        name: desk.call("execution.get", execution=run["id"])["outputs_removed"] is not None
        for name, run in runs.items()
    }
    assert removed == {"older": True, "newest": False}
    desk.call("cell.insert", notebook=notebook["id"], src="1")
    desk.call("notebook.save", notebook=notebook["id"])
    assert [each.outputs for each in read(path).cells[:2]] == [
        each.outputs for each in before.cells
    ]


def test_a_notebook_is_closed_only_if_saved_on_request(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "s.ipynb", cell("code", "1"))
    opened = desk.call("notebook.open", path=str(path))
    desk.call("cell.edit", cell=opened["cells"][0]["id"], src="precious")
    wish = {"notebook": opened["id"], "if_match": opened["etag"], "if_saved": True}
    with pytest.raises(CallFailed) as failure:
        desk.call("notebook.delete", **wish)
    assert (failure.value.data["name"], failure.value.exit_code) == ("NotSaved", 4)
    desk.call("notebook.save", notebook=opened["id"])
    desk.call("notebook.delete", **wish)


def test_who_asks_for_a_restart_gets_one_of_their_own(desk: Desk) -> None:
    src = "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\nprint(n)"
    made = desk.call("notebook.create", name="twice", cells=[{"src": src}])
    with desk.daemon.state.connection() as one, desk.daemon.state.connection() as two:
        wish = [("notebook.restart_and_run_all", {"notebook": made["id"]})]
        (first,), (second,) = one.send_many(wish), two.send_many(wish)
        ran = [one.result(first), two.result(second)]
    last = final(desk.daemon, ran[1]["executions"][0]["id"])
    assert (last["outputs"][0]["text"], last["incarnation"]) == ("1\n", 2)
    desk.call("runtime.stop", runtime=ran[1]["runtime"]["id"])
