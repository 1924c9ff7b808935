"""Nothing that nbformat rejects gets into a notebook, and so into no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.daemon.notebooks.conftest import Desk


def refused(desk: Desk, method: str, **params: Any) -> str:
    with pytest.raises(CallFailed) as failure:
        desk.call(method, **params)
    return f"{failure.value.data['name']}: {failure.value}"


NOTEBOOK: list[Any] = [
    {"kernelspec": {"name": 1, "display_name": "x"}},
    {"kernelspec": "str"},
    {"language_info": {"name": 5}},
]


@pytest.mark.parametrize("metadata", NOTEBOOK)
def test_metadata_of_notebooks(desk: Desk, metadata: Any) -> None:
    assert "InvalidParams" in refused(desk, "notebook.create", metadata=metadata)
    made = desk.call("notebook.create", metadata={"kept": 1})
    said = refused(desk, "notebook.edit", notebook=made["id"], metadata=metadata)
    assert "InvalidParams" in said
    assert f"$.metadata.{next(iter(metadata))}" in said
    assert desk.call("notebook.get", notebook=made["id"])["metadata"] == {"kept": 1}


def test_metadata_and_attachments_of_cells(desk: Desk) -> None:
    made = desk.call("notebook.create", cells=[{"src": "1"}])
    cell = made["cells"][0]["id"]
    bad = {"tags": "x"}
    cells = [{"src": ""}, {"src": "", "metadata": bad}]
    assert "$.cells[1].metadata.tags" in refused(desk, "notebook.create", cells=cells)
    into = {"notebook": made["id"], "src": ""}
    assert "InvalidParams" in refused(desk, "cell.insert", **into, metadata=bad)
    assert "InvalidParams" in refused(desk, "cell.edit", cell=cell, metadata={"collapsed": "x"})
    assert "InvalidParams" in refused(desk, "cell.edit", cell=cell, attachments={"a": 5})
    # What text may have, code may not.
    text = desk.call("cell.insert", **into, kind="raw", metadata={"collapsed": "x"})
    assert "InvalidParams" in refused(desk, "cell.edit", cell=text["id"], kind="code")
    assert desk.call("cell.get", cell=cell)["etag"] == made["cells"][0]["etag"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"cells": [], "metadata": {"a": %s}, "nbformat": 4, "nbformat_minor": 5}'
        % ("[" * 400 + "]" * 400),
        '{"cells": [], "metadata": {"a": "\\ud800"}, "nbformat": 4, "nbformat_minor": 5}',
    ],
    ids=["brackets", "deep", "surrogate"],
)
def test_what_no_library_reads_is_no_notebook(desk: Desk, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    assert refused(desk, "notebook.open", path=str(path)).startswith("NotANotebook")
    assert refused(desk, "notebook.import", text=text).startswith("NotANotebook")


def test_a_script_with_bad_metadata_is_no_notebook(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("# ---\n# jupyter:\n#   kernelspec: 1\n# ---\n\n# %%\n1\n")
    assert refused(desk, "notebook.open", path=str(path)).startswith("NotANotebook")


def test_what_kernels_send_can_always_be_saved(desk: Desk, tmp_path: Path) -> None:
    sends = "get_ipython().display_pub.session"
    code = (
        f"s = {sends}; p = get_ipython().kernel.iopub_socket\n"
        "h = get_ipython().kernel.get_parent()\n"
        "for kind, content in [('error', {'ename': 5, 'evalue': None, 'traceback': 'x'}),\n"
        "    ('stream', {'name': 3, 'text': 4}),\n"
        "    ('display_data', {'data': {'text/plain': 3}, 'metadata': 7})]:\n"
        "    s.send(p, kind, content, parent=h)\n"
        "print('last')"
    )
    made = desk.notebook(code)
    ran = desk.run(made["cells"][0]["id"])
    assert ran["status"] == "done"
    path = tmp_path / "a.ipynb"
    desk.call("notebook.save", notebook=made["id"], path=str(path))
    nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))
    desk.call("notebook.open", path=str(path), force=True)
    for form in ("py", "md", "ipynb"):
        desk.call("notebook.export", notebook=made["id"], format=form)
        desk.call("runtime.export", runtime=desk.runtime, format=form)
