"""What may be set as metadata is what nbformat finds right."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from runtimed.model import ipynb, nbschema

NOTEBOOKS: list[Any] = [
    {},
    {"custom": {"x": 1}, "title": "t", "authors": [{"name": "n"}], "orig_nbformat": 2},
    {"kernelspec": {"name": "k", "display_name": "K"}, "language_info": {"name": "l"}},
    {"language_info": {"name": "l", "codemirror_mode": {"version": 3}, "mimetype": "t/x"}},
    {"kernelspec": {}},
    {"kernelspec": "k"},
    {"kernelspec": None},
    {"kernelspec": {"name": 1, "display_name": "K"}},
    {"kernelspec": {"name": "k"}},
    {"kernelspec": {"name": "k", "display_name": None}},
    {"language_info": {"name": 5}},
    {"language_info": {"version": "3"}},
    {"language_info": {"name": "l", "file_extension": 1}},
    {"language_info": {"name": "l", "codemirror_mode": 1}},
    {"title": 1},
    {"authors": "me"},
    {"orig_nbformat": 0},
    {"orig_nbformat": "4"},
]
CELLS: list[Any] = [
    {},
    {"tags": ["a", "b"], "name": "n", "jupyter": {"source_hidden": True}, "custom": 1},
    {"collapsed": True, "scrolled": "auto", "execution": {"shell.execute_reply": "t"}},
    {"tags": "x"},
    {"tags": ["a,b"]},
    {"tags": ["a", "a"]},
    {"tags": [1]},
    {"tags": [""]},
    {"name": ""},
    {"name": 1},
    {"jupyter": []},
    {"collapsed": "x"},
    {"scrolled": "no"},
    {"execution": {"a": 1}},
    {"execution": "x"},
    {"format": 1},
]
ATTACHMENTS: list[Any] = [
    {},
    {"a.png": {"image/png": "AA", "text/plain": ["a", "b"], "application/x+json": 5}},
    {"a": 5},
    {"a": {"image/png": 5}},
]


def is_valid(metadata: dict[str, Any], *cells: dict[str, Any]) -> bool:
    try:
        nbformat.validate(nbformat.from_dict(ipynb.notebook(list(cells), metadata)))
    except nbformat.ValidationError:
        return False
    return True


def cell(kind: str, **facts: Any) -> dict[str, Any]:
    code: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "id": "a", "metadata": {}, "source": "", **code, **facts}


@pytest.mark.parametrize("metadata", NOTEBOOKS)
def test_metadata_of_notebooks(metadata: Any) -> None:
    assert (nbschema.notebook_fault(metadata) is None) == is_valid(metadata)


@pytest.mark.parametrize("kind", ["code", "markdown", "raw"])
@pytest.mark.parametrize("metadata", CELLS)
def test_metadata_of_cells(metadata: Any, kind: str) -> None:
    found = cell(kind, metadata=metadata)
    assert (nbschema.cell_fault(kind, metadata) is None) == is_valid({}, found)


@pytest.mark.parametrize("attachments", ATTACHMENTS)
def test_attachments(attachments: Any) -> None:
    fault = nbschema.cell_fault("raw", {}, attachments)
    assert (fault is None) == is_valid({}, cell("raw", attachments=attachments))


def test_where_the_fault_is() -> None:
    bad = ipynb.notebook([cell("code"), cell("code", metadata={"tags": "x"})], {})
    assert nbschema.content_fault(bad) == "$.cells[1].metadata.tags must be a list of texts"
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert nbschema.cell_fault("raw", {"a": deep}) == "$.metadata is nested more than 100 deep"
