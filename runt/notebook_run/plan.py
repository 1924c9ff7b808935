"""What is to be run of a notebook, and what of an earlier run of it still holds. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from runt.notebook_run.parameters import inject, tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Tags that nbclient knows: such a cell is not run; such a cell may fail.
SKIPPED, MAY_FAIL = "skip-execution", "raises-exception"


def prepared(
    content: dict[str, Any],
    run: Mapping[str, Any],
    *,
    language: str,
    kernel: str | None,
) -> dict[str, Any]:
    """Return a notebook (nbformat 4.5) as it is before it runs: with parameters, without outputs.

    ``run`` is what its metadata say of the run. ``kernel`` is the kernelspec's name, if another
    than the notebook's was asked for.
    """
    cells = [_blank(cell) for cell in content["cells"]]
    inject(cells, run["parameters"], language)
    named = kernel or (content["metadata"].get("kernelspec") or {}).get("name")
    said = {**run, "kernel": named, "cells": digest(cells)}
    metadata = {**content["metadata"], "runtimed": {"run": said}}
    if kernel is not None:
        metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
        metadata.pop("language_info", None)
    return {**content, "cells": cells, "metadata": metadata}


def _blank(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    gone = ("execution", "runtimed")
    metadata = {name: value for name, value in cell["metadata"].items() if name not in gone}
    return {**cell, "metadata": metadata, "outputs": [], "execution_count": None}


def run_of(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a notebook's metadata say of the run that it is of, if it is of one."""
    metadata = notebook.get("metadata")
    ours = metadata.get("runtimed") if isinstance(metadata, dict) else None
    run = ours.get("run") if isinstance(ours, dict) else None
    return run if isinstance(run, dict) and "id" in run else None


def runs(cells: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the cells that a run runs."""
    return [cell for cell in cells if _is_run(cell)]


def _is_run(cell: Mapping[str, Any]) -> bool:
    kind, source, names = _said(cell)
    return kind == "code" and bool(source.strip()) and SKIPPED not in names


def _said(cell: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    """Return what a cell, a document of ours or nbformat's, says: kind, source and tags."""
    if "src" in cell:
        return cell["kind"], cell["src"], tags(cell)
    return cell["cell_type"], "".join(cell["source"]), tags(cell)


def good_runs(cells: Sequence[Mapping[str, Any]], *, allow_errors: bool) -> int:
    """Return how many of the cells that a run runs, from the first on, need not run any more."""
    found = runs(cells)
    for index, cell in enumerate(found):
        status = None if cell["execution"] is None else cell["execution"]["status"]
        may_fail = allow_errors or MAY_FAIL in tags(cell)
        if status != "done" and not (may_fail and status == "error"):
            return index
    return len(found)


def has_ended_well(cells: Sequence[Mapping[str, Any]], *, allow_errors: bool) -> bool:
    """Say whether a file's cells (nbformat's) say that all that a run runs did, and well."""
    return all(_ended_well(cell, allow_errors or MAY_FAIL in tags(cell)) for cell in runs(cells))


def _ended_well(cell: Mapping[str, Any], may_fail: bool) -> bool:
    if "shell.execute_reply" not in cell["metadata"].get("execution", {}):
        return False
    if "runtimed" in cell["metadata"]:
        return False
    errors = [each["ename"] for each in cell["outputs"] if each["output_type"] == "error"]
    return may_fail or all(name == "SystemExit" for name in errors)


def same_runs(cells: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> int:
    """Return how many cells that run, from the first on, are those that are wanted now."""
    count = 0
    for cell, content in zip(runs(cells), runs(wanted), strict=False):
        if _said(cell) != _said(content):
            break
        count += 1
    return count


def is_same(cells: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether all cells are those that are wanted now, text as well."""
    return [_said(cell) for cell in cells] == [_said(cell) for cell in wanted]


def digest(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return what tells whether cells are still as a run has written them."""
    said = json.dumps([_said(cell) for cell in cells]).encode("utf-8", "surrogatepass")
    return hashlib.sha256(said).hexdigest()


def same_run(run: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether two runs are of one source, in the same kind of kernel at the same place."""
    # What parameters there are is in the cells.
    return all(run.get(name) == wanted.get(name) for name in ("source", "kernel", "start"))


def merged(
    kept: Sequence[dict[str, Any]], wanted: Sequence[dict[str, Any]], good: int
) -> list[dict[str, Any]]:
    """Return the cells that are wanted, the first ``good`` that run with what they showed."""
    shown = iter(runs(kept)[:good])
    left = good
    cells = []
    for cell in wanted:
        if left and _is_run(cell):
            left -= 1
            cells.append(next(shown))
        else:
            cells.append(cell)
    return cells


def latest(cells: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the id of the latest execution of any cell."""
    ids = [cell["execution"]["id"] for cell in cells if cell["execution"] is not None]
    return max(ids, default=None)
