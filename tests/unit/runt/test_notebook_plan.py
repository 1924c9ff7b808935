"""What a run of a notebook leaves out because an earlier one has done it."""

from __future__ import annotations

from typing import Any

import pytest

from runt.notebook_run import plan


def document(src: str, status: str | None = None, *tags: str, kind: str = "code") -> dict[str, Any]:
    execution = None if status is None else {"id": f"E{src}", "status": status}
    return {"kind": kind, "src": src, "metadata": {"tags": [*tags]}, "execution": execution}


def content(source: str, *tags: str, kind: str = "code") -> dict[str, Any]:
    found: dict[str, Any] = {"cell_type": kind, "source": source, "metadata": {"tags": [*tags]}}
    return found | ({"outputs": ["o"], "execution_count": 3} if kind == "code" else {})


NOTEBOOK: dict[str, Any] = {
    "metadata": {"kernelspec": {"name": "k"}, "language_info": {"name": "python"}},
    "cells": [content("# t", kind="markdown"), content("a"), content("b")],
}


def test_before_it_runs_it_has_no_outputs() -> None:
    run = {"id": "1", "parameters": {"n": 1}}
    found = plan.prepared(NOTEBOOK, run, language="python", kernel="other")
    assert [cell["source"] for cell in found["cells"]] == ["# Parameters\nn = 1", "# t", "a", "b"]
    assert [cell.get("outputs") for cell in found["cells"]] == [[], None, [], []]
    assert found["metadata"]["kernelspec"]["name"] == "other"
    assert "language_info" not in found["metadata"]
    said = {"kernel": "other", "cells": plan.digest(found["cells"])}
    assert plan.run_of(found) == run | said
    assert plan.run_of(NOTEBOOK) is None
    assert NOTEBOOK["cells"][1]["outputs"] == ["o"]


@pytest.mark.parametrize(
    ("statuses", "allow_errors", "good"),
    [
        (["done", "done"], False, 2),
        (["done", "error"], False, 1),
        (["done", "error"], True, 2),
        (["error", "done"], False, 0),
        (["cancelled", None], True, 0),
        (["lost", "done"], True, 0),
        (["done", None], False, 1),
    ],
)
def test_good_is_what_ended_well_from_the_first_on(
    statuses: list[str | None], allow_errors: bool, good: int
) -> None:
    cells = [document("t", kind="markdown"), document("  ")]
    cells += [document(str(index), status) for index, status in enumerate(statuses)]
    assert plan.good_runs(cells, allow_errors=allow_errors) == good


def test_tags_of_nbclient() -> None:
    cells = [
        document("1", "error", "raises-exception"),
        document("2", None, "skip-execution"),
        document("3", "done"),
    ]
    assert [cell["src"] for cell in plan.runs(cells)] == ["1", "3"]
    assert plan.good_runs(cells, allow_errors=False) == 2


def test_text_may_change_without_anything_running_again() -> None:
    cells = [document("old", kind="markdown"), document("a", "done"), document("b", "error")]
    wanted = [content("new", kind="markdown"), content("a"), content("c")]
    assert plan.same_runs(cells, wanted) == 1
    assert not plan.is_same(cells, wanted)
    kept = [content("old", kind="markdown"), {**content("a"), "outputs": ["kept"]}, content("b")]
    merged = plan.merged(kept, wanted, 1)
    assert [cell["source"] for cell in merged] == ["new", "a", "c"]
    assert merged[1]["outputs"] == ["kept"]
    assert plan.same_runs(cells, [content("a", "raises-exception")]) == 0


def test_the_latest_execution() -> None:
    assert plan.latest([document("1"), document("2", "done"), document("3", "queued")]) == "E3"
    assert plan.latest([document("1")]) is None
