"""Documents as text: that it says what it does not have."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtimed.api.types import Execution, OutputPage
from runtimed.server.http.text import render

BLOB = {"blob": "ab" * 32, "size_bytes": 400_002, "encoding": "utf8"}
GAP = {"reason": "kernel_dropped", "from_at": None, "to_at": None, "count": 12}
REMOVED = {"at": "2026-01-01T00:00:00.000Z", "reason": "retention", "size_bytes": 99}


def execution(*outputs: dict[str, Any], **more: Any) -> Execution:
    runtime = {"id": "01R", "name": "r", "kernel_name": "python3", "short_id": "r"}
    document = {
        **dict.fromkeys(Execution.__struct_fields__),
        "id": "01X",
        "runtime": runtime,
        "code": "x",
        "status": "done",
        "queued_at": "",
        "requested_by": {"client": "http", "kind": "http", "pid": None, "session": None},
        "outputs": list(outputs),
        **more,
    }
    return msgspec.convert(document, Execution)


def stream(text: str, **more: Any) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text, **more}


def page(**more: Any) -> OutputPage:
    few = {"execution": "01X", "status": "done", "lines": ["a"], "unfinished": None, "cursor": 1}
    return msgspec.convert(few | {"total_lines": 1, "more": False} | more, OutputPage)


@pytest.mark.parametrize(
    ("document", "last"),
    [
        (execution(stream("a\n")), "a"),
        (
            execution(stream("a\n", truncated_chars=7)),
            "[7 more characters of stdout; GET /v0/executions/01X/output has all lines]",
        ),
        (
            execution({"output_type": "execute_result", "data": {"text/plain": BLOB}}),
            f"[text/plain of 400002 bytes; GET /v0/blobs/{BLOB['blob']} has it]",
        ),
        (
            execution({"output_type": "display_data", "data": {"text/plain": "a", "x/y": BLOB}}),
            "a",
        ),
        (
            execution(stream("a\n"), gap=GAP),
            "[some of the output never arrived: kernel_dropped, 12 messages]",
        ),
        (
            execution(outputs_removed=REMOVED),
            "[outputs of 99 bytes were removed at 2026-01-01T00:00:00.000Z: retention]",
        ),
        (page(), "a"),
        (
            page(more=True, total_lines=9),
            "[there are 9 lines; GET /v0/executions/01X/output?cursor=1 goes on]",
        ),
        (page(gap=GAP), "[some of the output never arrived: kernel_dropped, 12 messages]"),
    ],
)
def test_the_last_line_says_what_is_missing(document: Any, last: str) -> None:
    assert render(document, is_markdown=False).splitlines()[-1] == last
    if last.startswith("["):
        assert render(document, is_markdown=True).splitlines()[-1] == f"*{last}*"
