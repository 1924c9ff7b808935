"""Import and export change nothing that matters.

That is: what nbformat reads of the file and of the export, both upgraded to 4.5, is equal, but
for the ids of cells that had none, or the one of another cell.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import converter, reader, v4
from nbformat.v4.rwbase import strip_transient

from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from tests.process.daemon.notebooks.conftest import Desk

PUBLISHED = Path(__file__).parents[3] / "data" / "nbformat"
#: Those that nbformat has for its own complaints, and what ours says.
REFUSED = {
    "invalid.ipynb": "'source' is a required property",
    "invalid_cell_id.ipynb": "$illegal_chars",
    "no_min_version.ipynb": "nbformat minor",
    "test3_no_metadata.ipynb": "metadata",
    "test3_no_worksheets.ipynb": "worksheets",
    "test3_worksheet_with_no_cells.ipynb": "cells",
    "test4plus.ipynb": "nbformat 4.99",
    "v4_5_invalid_metadata.ipynb": "BAD: should be a dict",
}


def normal(text: str, *, ids: bool) -> Any:
    """Return what nbformat reads, as 4.5."""
    found = v4.upgrade(converter.convert(reader.reads(text), 4))
    found = json.loads(json.dumps(strip_transient(found)))
    for cell in found["cells"] if not ids else ():
        cell.pop("id", None)
    return found


def there_and_back(desk: Desk, text: str) -> str:
    made = desk.call("notebook.import", text=text)
    back: str = desk.call("notebook.export", notebook=made["id"])["text"]
    desk.call("notebook.delete", notebook=made["id"])
    nbformat.validate(nbformat.reads(back, as_version=4))
    return back


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.ipynb")), ids=lambda path: path.name)
def test_published_notebooks(desk: Desk, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name in REFUSED:
        with pytest.raises(CallFailed) as failure:
            desk.call("notebook.import", text=text)
        assert failure.value.data["name"] == "NotANotebook"
        assert REFUSED[path.name] in str(failure.value)
        return
    back = there_and_back(desk, text)
    cells = json.loads(text).get("cells", [])
    ids = [cell.get("id") for cell in cells]
    are_ids_good = bool(cells) and None not in ids and len(set(ids)) == len(ids)
    assert normal(back, ids=are_ids_good) == normal(text, ids=are_ids_good)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
METADATA = st.dictionaries(TEXT.map(lambda name: f"x{name}"), JSON, max_size=2)
DATA = st.dictionaries(
    st.sampled_from(["text/plain", "image/png", "x/y"]), TEXT
) | st.fixed_dictionaries({"application/json": JSON, "application/vnd.a+json": JSON})
COUNT = st.none() | st.integers(0, 2**31)
OUTPUT: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        dict, output_type=st.just("stream"), name=st.sampled_from(["stdout", "stderr"]), text=TEXT
    ),
    st.builds(dict, output_type=st.just("display_data"), data=DATA, metadata=METADATA),
    st.builds(
        dict,
        output_type=st.just("execute_result"),
        data=DATA,
        metadata=METADATA,
        execution_count=COUNT,
    ),
    st.builds(
        dict, output_type=st.just("error"), ename=TEXT, evalue=TEXT, traceback=st.lists(TEXT)
    ),
)
ATTACHMENTS = st.fixed_dictionaries(
    {}, optional={"attachments": st.just({"a.png": {"image/png": "x"}})}
)
CELL: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        dict,
        cell_type=st.just("code"),
        source=TEXT,
        metadata=METADATA,
        execution_count=COUNT,
        outputs=st.lists(OUTPUT, max_size=3),
    ),
    st.builds(
        lambda cell, attachments: cell | attachments,
        st.builds(
            dict, cell_type=st.sampled_from(["markdown", "raw"]), source=TEXT, metadata=METADATA
        ),
        ATTACHMENTS,
    ),
)


@settings(max_examples=60)
@given(cells=st.lists(CELL, max_size=4), metadata=METADATA)
def test_any_notebook(desk: Desk, cells: list[dict[str, Any]], metadata: dict[str, Any]) -> None:
    cells = [{"id": f"cell-{n}"} | cell for n, cell in enumerate(cells)]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    back = there_and_back(desk, json.dumps(notebook))
    assert json.loads(json.dumps(nbformat.reads(back, as_version=4))) == notebook


def test_large_values_are_blobs_and_come_back(desk: Desk) -> None:
    image, page = "iVBORw0KGgoA" * 50_000, "<p>é</p>\n" * 60_000
    data = {"image/png": image, "text/html": page, "application/json": {"rows": [page]}}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    cell: dict[str, Any] = {"id": "c", "cell_type": "code", "source": "", "metadata": {}}
    cell |= {"outputs": [output], "execution_count": 1}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    made = desk.call("notebook.import", text=json.dumps(notebook))
    (shown,) = desk.call("cell.get", cell=made["cells"][0]["id"])["outputs"]
    assert {mime: value["encoding"] for mime, value in shown["data"].items()} == {
        "image/png": "base64",
        "text/html": "utf8",
        "application/json": "json",
    }
    back = desk.call("notebook.export", notebook=made["id"])["text"]
    assert nbformat.reads(back, as_version=4).cells[0].outputs[0].data == data
