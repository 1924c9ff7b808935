"""A file that is opened again: what is announced, what goes on showing, whose it is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from tests.process.daemon.notebooks.test_files import OUTPUTS, cell, read, refused, write
from tests.process.daemon.story import final, wait_for_output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.daemon.notebooks.conftest import Desk

SCRIPT = "# %%\nprint('a')\n\n# %%\nprint('b')\n"


def test_cells_are_announced_as_their_file_has_them(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", cell("code", "1", execution_count=3))
    opened = desk.call("notebook.open", path=str(path))
    desk.run(opened["cells"][0]["id"], runtime=desk.runtime)
    desk.call("notebook.save", notebook=opened["id"])
    write(path, cell("code", "1", execution_count=99, outputs=OUTPUTS))
    with desk.daemon.state.connection() as client:
        client.call("events.subscribe", {"notebook": opened["id"], "types": ["cell"]})
        again = desk.call("notebook.open", path=str(path))
        event = next(client.notifications())["params"]
    assert event["data"]["execution_count"] == 99
    assert again["cells"][0]["execution_count"] == 99
    assert again["etag"] != opened["etag"]


def test_cells_of_one_that_had_none_are_a_change(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "empty.ipynb")
    opened = desk.call("notebook.open", path=str(path))
    write(path, cell("code", "1"))
    again = desk.call("notebook.open", path=str(path))
    assert (again["id"], again["cell_count"]) == (opened["id"], 1)
    assert again["etag"] != opened["etag"]


def test_what_runs_meanwhile_is_shown_and_saved(desk: Desk, tmp_path: Path) -> None:
    flag = tmp_path / "go"
    src = (
        "import os, time\nprint('one')\n"
        f"while not os.path.exists({str(flag)!r}): time.sleep(0.01)\nprint('two')"
    )
    path = write(tmp_path / "m.ipynb", cell("code", src, outputs=OUTPUTS))
    opened = desk.call("notebook.open", path=str(path))
    ran = desk.call("cell.run", cell=opened["cells"][0]["id"], runtime=desk.runtime)["id"]
    wait_for_output(desk.daemon, ran, "one")
    desk.call("notebook.open", path=str(path), force=True)
    flag.touch()
    final(desk.daemon, ran)
    shown = desk.call("cell.get", cell=opened["cells"][0]["id"])
    assert [output["text"] for output in shown["outputs"]] == ["one\ntwo\n"]
    desk.call("notebook.save", notebook=opened["id"])
    assert read(path).cells[0].outputs[0].text == "one\ntwo\n"


def test_a_script_that_was_only_run_is_read_again_and_goes_on_showing(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "s.py"
    path.write_text(SCRIPT)
    opened = desk.call("notebook.open", path=str(path))
    for each in opened["cells"]:
        desk.run(each["id"], runtime=desk.runtime)
    assert not desk.call("notebook.get", notebook=opened["id"])["is_changed"]
    path.write_text(SCRIPT.replace("'b'", "'B'"))
    desk.call("notebook.open", path=str(path))
    cells = desk.call("cell.list", notebook=opened["id"], outputs=True)
    shown = [(each["src"], [o["text"] for o in each["outputs"]]) for each in cells]
    assert shown == [("print('a')", ["a\n"]), ("print('B')", [])]


def test_a_script_keeps_its_line_ends_and_takes_tags(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "tags.py"
    path.write_bytes(SCRIPT.replace("\n", "\r\n").encode())
    opened = desk.call("notebook.open", path=str(path))
    tagged = {"tags": ["parameters"]}
    desk.call("cell.edit", cell=opened["cells"][0]["id"], metadata=tagged)
    desk.call("notebook.save", notebook=opened["id"])
    expected = SCRIPT.replace("# %%\n", '# %% tags=["parameters"]\n', 1).replace("\n", "\r\n")
    assert path.read_bytes().decode() == expected
    assert not desk.call("notebook.open", path=str(path))["is_changed"]


def test_a_file_that_may_not_be_written_is_not(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "ro.ipynb", cell("code", "1"))
    opened = desk.call("notebook.open", path=str(path))
    before = path.read_bytes()
    path.chmod(0o444)
    desk.call("cell.edit", cell=opened["cells"][0]["id"], src="2")
    assert refused(desk, "notebook.save", notebook=opened["id"]) == "FileUnusable"
    assert path.read_bytes() == before
    desk.call("notebook.save", notebook=opened["id"], force=True)
    assert (read(path).cells[0].source, path.stat().st_mode & 0o777) == ("2", 0o444)


def test_the_path_that_it_was_opened_by_names_it(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "real.ipynb", cell("code", "1"))
    link = tmp_path / "link.ipynb"
    link.symlink_to(path)
    opened = desk.call("notebook.open", path=str(link))
    assert opened["path"] == str(path)
    assert desk.call("notebook.get", notebook=str(link))["id"] == opened["id"]


def test_opening_a_directory_leaves_nothing_open(desk: Desk, tmp_path: Path) -> None:
    def is_open() -> bool:
        fds = f"/proc/{desk.daemon.pid}/fd"
        return str(tmp_path) in {os.path.realpath(f"{fds}/{fd}") for fd in os.listdir(fds)}

    assert refused(desk, "notebook.open", path=str(tmp_path)) == "FileUnusable"
    assert not is_open()


@pytest.mark.parametrize("value", [float("nan"), {"x": [float("-inf"), 1.5]}, 10**30])
def test_numbers_that_json_has_not_are_kept(desk: Desk, tmp_path: Path, value: Any) -> None:
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/json": value}}
    path = write(tmp_path / "nan.ipynb", cell("code", "1", outputs=[output]))
    opened = desk.call("notebook.open", path=str(path))
    text = desk.call("notebook.export", notebook=opened["id"])["text"]
    found = json.loads(text)["cells"][0]["outputs"][0]["data"]["application/json"]
    assert json.dumps(found) == json.dumps(value)
    desk.call("notebook.delete", notebook=opened["id"])


def test_odd_content_is_refused_or_exported_and_no_fault(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "count.ipynb", cell("code", "1", execution_count=10**30))
    assert refused(desk, "notebook.open", path=str(path)) == "NotANotebook"
    path = write(tmp_path / "odd.ipynb", cell("code", "1", metadata={"runtimed": "x"}))
    notebook = json.loads(path.read_text())
    notebook["metadata"] = {"kernelspec": {"name": "x", "display_name": "y", "language": 5}}
    path.write_text(json.dumps(notebook))
    opened = desk.call("notebook.open", path=str(path))
    for form in ("md", "py", "ipynb"):
        assert desk.call("notebook.export", notebook=opened["id"], format=form)["text"]


def test_what_was_written_in_a_crash_is_the_notebooks_own(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "crash.ipynb", cell("code", "1"))
    opened = desk.call("notebook.open", path=str(path))
    edited = opened["cells"][0]["id"]
    desk.call("cell.edit", cell=edited, src="2")
    desk.call("notebook.save", notebook=opened["id"])
    # So a SIGKILL leaves it between the file and the row that says so.
    db = apsw.Connection(str(desk.daemon.state.dir / "runtimed.db"))
    try:
        db.execute(
            "UPDATE notebook SET writing_sha256 = file_sha256, file_sha256 = 'of before', "
            "saved_seq = 0 WHERE id = ?",
            (opened["id"],),
        )
    finally:
        db.close()
    assert desk.call("notebook.open", path=str(path))["is_changed"]
    desk.call("cell.edit", cell=edited, src="3")
    assert not desk.call("notebook.save", notebook=opened["id"])["is_changed"]
    assert read(path).cells[0].source == "3"


def test_what_is_there_already_is_saved(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "same.ipynb", cell("code", "1"))
    opened = desk.call("notebook.open", path=str(path))
    desk.call("cell.edit", cell=opened["cells"][0]["id"], src="2")
    path.write_text(desk.call("notebook.export", notebook=opened["id"])["text"])
    assert not desk.call("notebook.save", notebook=opened["id"])["is_changed"]
