"""Executions as nbformat has them."""

from __future__ import annotations

import base64
from typing import Any

import nbformat
import pytest

from runtimed.model import ipynb

BEGAN, ENDED = "2026-01-31T12:00:00.125Z", "2026-01-31T12:00:01.000Z"
BLOBS = {"a" * 64: b"\x89PNG\r\n", "b" * 64: "é".encode(), "c" * 64: b'{"n": [1]}'}


def execution(**facts: Any) -> dict[str, Any]:
    return {
        "id": "01K0000000000000000000000A",
        "code": "1 + 1",
        "status": "done",
        "execution_count": 3,
        "execution_started": BEGAN,
        "execution_end": ENDED,
        "reason": None,
        "gap": None,
    } | facts


def cell(outputs: Any = (), **facts: Any) -> dict[str, Any]:
    """Return the cell of an execution, which nbformat must find right."""
    found = ipynb.executed_cell(execution(**facts), outputs, BLOBS.get)
    metadata = ipynb.kernel_metadata("python3", "python")
    nbformat.validate(nbformat.from_dict(ipynb.notebook([found], metadata)))
    return found


def ref(digit: str, encoding: str) -> dict[str, Any]:
    return {"blob": digit * 64, "size_bytes": 6, "encoding": encoding}


def test_timings_are_named_as_jupyterlab_names_them() -> None:
    found = cell()
    assert (found["id"], found["source"], found["execution_count"]) == (
        "01k0000000000000000000000a",
        "1 + 1",
        3,
    )
    assert found["metadata"] == {
        "execution": {
            "iopub.execute_input": BEGAN,
            "iopub.status.busy": BEGAN,
            "iopub.status.idle": ENDED,
            "shell.execute_reply": ENDED,
        }
    }


@pytest.mark.parametrize(
    ("facts", "metadata"),
    [
        (
            {"status": "cancelled", "execution_started": None, "reason": "asked for"},
            {"runtimed": {"status": "cancelled", "reason": "asked for"}},
        ),
        (
            {"status": "running", "execution_end": None},
            {
                "execution": {"iopub.execute_input": BEGAN, "iopub.status.busy": BEGAN},
                "runtimed": {"status": "running"},
            },
        ),
        (
            {
                "outputs_removed": {"at": ENDED, "reason": "limit", "size_bytes": 9},
                "execution_started": None,
            },
            {"runtimed": {"outputs_removed": {"at": ENDED, "reason": "limit", "size_bytes": 9}}},
        ),
        (
            {"gap": {"reason": "keeper_down"}, "execution_started": None},
            {"runtimed": {"gap": {"reason": "keeper_down"}}},
        ),
        ({"status": "error", "execution_started": None}, {}),
    ],
)
def test_what_nbformat_has_no_word_for(facts: dict[str, Any], metadata: dict[str, Any]) -> None:
    assert cell(**facts)["metadata"] == metadata


def test_outputs() -> None:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "a\n"},
        {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {"m": 1},
         "display_id": "d", "buffers": [ref("a", "bytes")]},
        {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": 3},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
    ]  # fmt: skip
    assert cell(outputs)["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "a\n"},
        {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {"m": 1}},
        {"output_type": "execute_result", "data": {}, "metadata": {}, "execution_count": 3},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
    ]


def test_blobs_are_put_back_and_lost_ones_left_out() -> None:
    data = {
        "image/png": ref("a", "base64"),
        "text/html": ref("b", "utf8"),
        "application/vnd.x+json": ref("c", "json"),
        "text/latex": ref("d", "utf8"),
        "text/plain": {"a kernel": ["sends anything"]},
    }
    (output,) = cell([{"output_type": "display_data", "data": data, "metadata": {}}])["outputs"]
    assert output["data"] == {
        "image/png": base64.b64encode(BLOBS["a" * 64]).decode(),
        "text/html": "é",
        "application/vnd.x+json": {"n": [1]},
        "text/plain": '{"a kernel": ["sends anything"]}',
    }


def test_lines_of_a_file_are_joined_and_json_and_references_are_not() -> None:
    data = {"text/plain": ["a\n", "b"], "application/json": ["a", "b"], "x/y": ref("a", "utf8")}
    outputs: list[Any] = [
        {"output_type": "stream", "name": "stderr", "text": ["1\n", "2\n"]},
        {"output_type": "display_data", "data": data, "metadata": {}},
    ]
    stream, shown = ipynb.from_nbformat(outputs)
    assert stream["text"] == "1\n2\n"
    assert shown["data"] == data | {"text/plain": "a\nb"}
