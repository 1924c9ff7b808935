"""Notebooks as files: opened, saved, never written over what somebody else has written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.daemon.notebooks.conftest import Desk

PNG = "iVBORw0KGgo="


def cell(kind: str, source: str, **more: Any) -> dict[str, Any]:
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source} | code | more


def write(path: Path, *cells: dict[str, Any]) -> Path:
    """Write a notebook as Jupyter does."""
    for n, each in enumerate(cells):
        each.setdefault("id", f"c{n}")
    metadata = {"kernelspec": {"name": "python3", "display_name": "P"}, "custom": {"kept": [1]}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}
    path.write_text(json.dumps(notebook))
    return path


def read(path: Path) -> Any:
    """Read a file by nbformat, which must find nothing wrong with it."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def refused(desk: Desk, method: str, **params: Any) -> str:
    with pytest.raises(CallFailed) as failure:
        desk.call(method, **params)
    return str(failure.value.data["name"])


OUTPUTS: list[Any] = [
    {"output_type": "stream", "name": "stdout", "text": "from the file\n"},
    {
        "output_type": "display_data",
        "data": {"image/png": PNG},
        "metadata": {"image/png": {"width": 3}},
    },
]


def test_open_run_and_save(desk: Desk, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        cell("markdown", "# ![x](attachment:x.png)", attachments={"x.png": {"image/png": PNG}}),
        cell("code", "print('ran')", outputs=OUTPUTS, execution_count=7),
        cell("code", "1", outputs=OUTPUTS, execution_count=8, metadata={"tags": ["t"]}),
    )
    before = read(path)
    opened = desk.call("notebook.open", path=str(path))
    assert (opened["name"], opened["is_changed"], opened["cell_count"]) == ("a", False, 3)
    assert desk.call("notebook.open", path=str(path)) == opened
    assert desk.call("notebook.get", notebook=str(path)) == opened
    ids = [each["id"] for each in opened["cells"]]
    imported = desk.call("cell.get", cell=ids[1])
    assert [output["output_type"] for output in imported["outputs"]] == ["stream", "display_data"]
    assert (imported["execution_count"], imported["execution"]) == (7, None)

    desk.call("notebook.save", notebook=opened["id"])
    assert read(path) == before  # all that was in it, and nothing else
    ran = desk.run(ids[1], runtime=desk.runtime)
    assert desk.call("cell.get", cell=ids[1])["outputs"] == ran["outputs"]
    assert desk.call("notebook.get", notebook=opened["id"])["is_changed"]
    saved = desk.call("notebook.save", notebook=opened["id"])
    assert not saved["is_changed"]
    now = read(path)
    assert (now.cells[0], now.cells[2], now.metadata) == (
        before.cells[0],
        before.cells[2],
        before.metadata,
    )
    assert [output.text for output in now.cells[1].outputs] == ["ran\n"]
    assert now.cells[1].execution_count == ran["execution_count"]
    times = now.cells[1].metadata.execution
    assert times["iopub.execute_input"] == ran["execution_started"]
    assert times["shell.execute_reply"] == ran["execution_end"]
    assert sorted(times) == [
        "iopub.execute_input",
        "iopub.status.busy",
        "iopub.status.idle",
        "shell.execute_reply",
    ]


def test_a_cancelled_run_leaves_the_outputs_there_were(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "c.ipynb", cell("code", "1/0"), cell("code", "2", outputs=OUTPUTS))
    opened = desk.call("notebook.open", path=str(path))
    run = desk.call("notebook.run_all", notebook=opened["id"], runtime=desk.runtime)
    last = desk.call("execution.wait", execution=run["executions"][1]["id"], wait_s=60)
    assert last["status"] == "cancelled"
    shown = desk.call("cell.get", cell=opened["cells"][1]["id"])
    assert shown["outputs"][0]["text"] == "from the file\n"
    assert shown["execution"]["status"] == "cancelled"


def test_a_file_that_changed_is_not_written_over(desk: Desk, tmp_path: Path) -> None:
    path = write(tmp_path / "b.ipynb", cell("code", "1"), cell("code", "gone"))
    os.chmod(path, 0o640)
    opened = desk.call("notebook.open", path=str(path))
    first = opened["cells"][0]["id"]
    theirs = write(path, cell("code", "new", id="new"), cell("code", "1 + 1", id="c0")).read_text()
    assert refused(desk, "notebook.save", notebook=opened["id"]) == "FileChanged"
    assert path.read_text() == theirs
    # Nothing was changed here: it is read again, and its cells are the ones they were.
    again = desk.call("notebook.open", path=str(path))
    assert [each["src"] for each in again["cells"]] == ["new", "1 + 1"]
    assert again["cells"][1]["id"] == first
    desk.call("cell.edit", cell=first, src="ours")
    write(path, cell("code", "theirs", id="c0"))
    assert refused(desk, "notebook.open", path=str(path)) == "FileChanged"
    assert refused(desk, "notebook.save", notebook=opened["id"]) == "FileChanged"
    assert desk.sources(opened["id"]) == ["new", "ours"]
    desk.call("notebook.save", notebook=opened["id"], force=True)
    assert [each.source for each in read(path).cells] == ["new", "ours"]
    assert path.stat().st_mode & 0o777 == 0o640
    desk.call("cell.edit", cell=first, src="dropped")
    dropped = desk.call("notebook.open", path=str(path), force=True)
    assert [each["src"] for each in dropped["cells"]] == ["new", "ours"]
    assert os.listdir(tmp_path) == ["b.ipynb"]


def test_saves_at_the_same_time(desk: Desk, tmp_path: Path) -> None:
    opened = desk.call("notebook.open", path=str(write(tmp_path / "s.ipynb", cell("code", "1"))))
    with desk.daemon.state.connection() as a, desk.daemon.state.connection() as b:
        for n in range(10):
            desk.call("cell.edit", cell=opened["cells"][0]["id"], src=str(n))
            (first,) = a.send_many([("notebook.save", {"notebook": opened["id"]})])
            (second,) = b.send_many([("notebook.save", {"notebook": opened["id"]})])
            assert not (a.result(first)["is_changed"] or b.result(second)["is_changed"])
    assert read(tmp_path / "s.ipynb").cells[0].source == "9"


def test_a_new_notebook_gets_a_file_and_is_moved(desk: Desk, tmp_path: Path) -> None:
    made = desk.call("notebook.create", cells=[{"src": "1"}], kernel_name="python3")
    assert refused(desk, "notebook.save", notebook=made["id"]) == "InvalidParams"
    taken = write(tmp_path / "taken.ipynb")
    save = {"notebook": made["id"], "path": str(taken)}
    assert refused(desk, "notebook.save", **save) == "FileChanged"
    saved = desk.call("notebook.save", notebook=made["id"], path=str(tmp_path / "new.ipynb"))
    assert (saved["name"], saved["is_changed"]) == ("new", False)
    assert read(tmp_path / "new.ipynb").metadata.kernelspec.name == "python3"
    nowhere = str(tmp_path / "no" / "where.ipynb")
    assert refused(desk, "notebook.save", notebook=made["id"], path=nowhere) == "FileUnusable"
    renamed = desk.call(
        "notebook.rename", notebook=made["id"], name="other", if_match=saved["etag"]
    )
    assert (renamed["name"], renamed["path"]) == ("other", saved["path"])
    desk.call("notebook.open", path=str(taken))
    assert refused(desk, "notebook.save", **save, force=True) == "FileUnusable"
    listed = [each["id"] for each in desk.call("notebook.list")]
    assert made["id"] in listed
    desk.call("notebook.delete", notebook=made["id"])
    assert made["id"] not in [each["id"] for each in desk.call("notebook.list")]
    assert (tmp_path / "new.ipynb").exists()


def test_a_script_with_percent_cells(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text("# %% [markdown]\n# # Title\n\n# %%\nx = 1\n\n# %%\nx + 1\n")
    before = path.read_text()
    opened = desk.call("notebook.open", path=str(path))
    assert [(each["kind"], each["src"]) for each in opened["cells"]] == [
        ("markdown", "# Title"),
        ("code", "x = 1"),
        ("code", "x + 1"),
    ]
    desk.run(opened["cells"][2]["id"], runtime=desk.runtime)
    desk.call("notebook.save", notebook=opened["id"])
    assert path.read_text() == before
    path.write_text(before.replace("x = 1", "x = 2"))
    again = desk.call("notebook.open", path=str(path), force=True)
    assert again["cells"][2]["id"] == opened["cells"][2]["id"]  # by what it says
    as_ipynb = desk.call("notebook.export", notebook=opened["id"])
    assert as_ipynb["name"] == "s.ipynb"
    assert nbformat.reads(as_ipynb["text"], 4).cells[1].source == "x = 2"
    as_py = desk.call("notebook.export", notebook=opened["id"], format="py")
    assert (as_py["name"], as_py["text"]) == ("s.py", path.read_text())
    copy = desk.call("notebook.import", text=as_ipynb["text"], name="copy")
    assert desk.sources(copy["id"]) == desk.sources(opened["id"])


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("a.ipynb", b"{", "NotANotebook", "not JSON"),
        ("a.ipynb", b"[]", "NotANotebook", "no cells"),
        ("a.ipynb", b'{"nbformat": 9, "cells": []}', "NotANotebook", "version 9"),
        (
            "a.ipynb",
            b'{"nbformat": 4, "nbformat_minor": 5, "cells": []}',
            "NotANotebook",
            "metadata",
        ),
        (
            "a.ipynb",
            b'{"nbformat": 3, "worksheets": [{"cells": [1]}]}',
            "NotANotebook",
            "cell_type",
        ),
        ("a.txt", b"x", "NotANotebook", ".txt"),
        ("a.py", b"\xff\xfe", "FileUnusable", "UTF-8"),
        ("a.py", None, "FileMissing", "There is no file"),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_reason(
    desk: Desk, tmp_path: Path, name: str, content: bytes | None, error: str, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CallFailed) as failure:
        desk.call("notebook.open", path=str(tmp_path / name))
    assert failure.value.data["name"] == error
    assert said in str(failure.value)
