"""What comes on stdin: each request is a message, or an answer with its id."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
import pytest

from runtimed.mcp.stdin import parsed

_DEEP = "[" * 100_000 + "]" * 100_000


def _line(**members: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", **members})


def _call(id: int, value: Any, **params: Any) -> str:
    params = {"name": "run_code", "arguments": {"code": value}, **params}
    return _line(id=id, method="tools/call", params=params)


@pytest.mark.parametrize("value", ["1", "\ud83d", json.loads("[" * 300 + "]" * 300)])
def test_what_a_tool_can_speak_of_is_passed_on(value: Any) -> None:
    (message,) = parsed(_call(1, value))
    assert isinstance(message, types.JSONRPCRequest) and message.params is not None
    assert message.params["arguments"] == {"code": value}


def test_a_batch_is_its_messages() -> None:
    batch = f"[{_call(1, '1')}, {_line(method='notifications/initialized')}, {{}}, 7]\n"
    first, second = parsed(batch)
    assert isinstance(first, types.JSONRPCRequest)
    assert isinstance(second, types.JSONRPCNotification)


@pytest.mark.parametrize(
    ("line", "id", "code"),
    [
        (_line(id=1, method="ping", params=[]), 1, types.INVALID_REQUEST),
        (_line(id="a", method=5), "a", types.INVALID_REQUEST),
        (_call(2, "1", _meta={"progressToken": "\ud83d"}), 2, types.INVALID_PARAMS),
        (f'{{"jsonrpc": "2.0", "id": 3, "method": "a", "params": {_DEEP}}}', 3, types.PARSE_ERROR),
        (f'{{"method": "a", "params": {_DEEP}, "jsonrpc": "2.0", "id": "b"}}\n', "b", -32700),
    ],
)
def test_a_request_that_is_no_message_is_answered(line: str, id: int | str, code: int) -> None:
    (message,) = parsed(line)
    assert isinstance(message, types.JSONRPCError)
    assert message.id == id and message.error.code == code
    assert message.error.message.startswith("Not done. It")


@pytest.mark.parametrize(
    "line",
    [
        *("", "\n", "no json\n", "[]", "{}", "7", _line(id=True, method=5)),
        _line(id="\ud83d", method="ping"),
        _line(id=4, result=[]),  # an answer, which an answer of ours would be taken for one to
        f'{{"id": 5, "method": "a", "params": {{"id": 6, "x": {_DEEP}}}, "jsonrpc": "2.0"}}'[9:],
    ],
)
def test_what_has_no_id_to_be_answered_at_is_not(line: str) -> None:
    assert [*parsed(line)] == []
