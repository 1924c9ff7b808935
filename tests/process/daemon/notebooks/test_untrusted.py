"""What a file or a kernel says is a value: it names none of ours, nor any file of the user's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.daemon.notebooks.test_files import cell, read, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.daemon.notebooks.conftest import Desk


def alike(blob: object) -> dict[str, Any]:
    return {"blob": blob, "size_bytes": 1, "encoding": "utf8"}


def shown(value: object) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {"application/json": value}}


@pytest.fixture
def looks_alike(tmp_path: Path) -> list[dict[str, Any]]:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP-SECRET")
    return [alike(str(secret)), alike(5), alike("0" * 64), alike([1]), alike("a") | {"x": 1}]


def test_of_a_file(desk: Desk, tmp_path: Path, looks_alike: list[dict[str, Any]]) -> None:
    outputs = [shown(value) for value in looks_alike]
    path = write(tmp_path / "evil.ipynb", cell("code", "1", outputs=outputs))
    before = read(path)
    opened = desk.call("notebook.open", path=str(path))
    desk.call("cell.edit", cell=opened["cells"][0]["id"], src="2")
    desk.call("notebook.save", notebook=opened["id"])
    assert read(path).cells[0].outputs == before.cells[0].outputs
    text = desk.call("notebook.export", notebook=opened["id"], format="md")["text"]
    assert "TOP-SECRET" not in text


def test_of_a_kernel(desk: Desk, tmp_path: Path, looks_alike: list[dict[str, Any]]) -> None:
    notebook = desk.notebook(
        "from IPython.display import publish_display_data\n"
        f"for value in {looks_alike!r}:\n"
        "    publish_display_data({'application/json': value})"
    )
    desk.run(notebook["cells"][0]["id"])
    path = tmp_path / "k.ipynb"
    desk.call("notebook.save", notebook=notebook["id"], path=str(path))
    outputs = read(path).cells[0].outputs
    assert [output.data["application/json"] for output in outputs] == looks_alike


def test_what_is_nested_too_deep_for_a_file_is_left_out_of_it(desk: Desk, tmp_path: Path) -> None:
    notebook = desk.notebook(
        "from IPython.display import publish_display_data\n"
        "deep = []\nfor _ in range(600): deep = [deep]\n"
        "publish_display_data({'application/json': deep})\nprint('and this')"
    )
    desk.run(notebook["cells"][0]["id"])
    path = tmp_path / "deep.ipynb"
    desk.call("notebook.save", notebook=notebook["id"], path=str(path))
    left_out, said = read(path).cells[0].outputs
    assert left_out.data == {"text/plain": "<application/json: left out, it is nested too deep>"}
    assert said.text == "and this\n"
    for form in ("md", "py", "ipynb"):
        assert desk.call("notebook.export", notebook=notebook["id"], format=form)["text"]
    assert json.loads(path.read_text())["nbformat"] == 4
