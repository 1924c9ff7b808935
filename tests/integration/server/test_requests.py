"""Requests, answers and what is wrong with either, over a real socket."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from runtimed.api.error_tree import from_wire
from runtimed.wire import jsonrpc
from tests.harness.lineserver import RawClient, Service, request

if TYPE_CHECKING:
    from pathlib import Path

GOOD = request(99, "echo", value="alive")


def check_alive(raw: RawClient) -> None:
    raw.ask(GOOD)
    assert raw.line() == {"jsonrpc": "2.0", "id": 99, "result": "alive"}


def test_a_request_is_answered(raw: RawClient) -> None:
    raw.ask(request("a", "echo", value={"x": [1, None, "ü"]}))
    assert raw.line() == {"jsonrpc": "2.0", "id": "a", "result": {"x": [1, None, "ü"]}}


def test_pipelined_requests_are_all_answered(raw: RawClient) -> None:
    raw.ask(*(request(n, "echo", value=n) for n in range(1000)))
    answers = [raw.line() for _ in range(1000)]
    assert [(each["id"], each["result"]) for each in answers] == [(n, n) for n in range(1000)]


def test_answers_overtake_each_other(raw: RawClient) -> None:
    raw.ask(request(1, "wait", gate="g"), request(2, "echo"), request(3, "open", gate="g"))
    assert [raw.line()["id"] for _ in range(3)] == [2, 3, 1]


def test_a_request_byte_by_byte(raw: RawClient) -> None:
    for byte in json.dumps(request(1, "echo", value="slow")).encode() + b"\n":
        raw.send(bytes((byte,)))
    assert raw.line()["result"] == "slow"


def test_blank_lines_and_crlf(raw: RawClient) -> None:
    raw.send(b"\r\n\n  \n" + json.dumps(GOOD).encode() + b"\r\n\n")
    assert raw.line()["result"] == "alive"


def test_a_notification_is_executed_and_not_answered(raw: RawClient, service: Service) -> None:
    note = {"jsonrpc": "2.0", "method": "work", "params": {"gate": "n"}}
    bad = {"jsonrpc": "2.0", "method": "nope"}
    wrong = {"jsonrpc": "2.0", "method": "echo", "params": {"valeu": 1}}
    raw.ask(note, bad, wrong, {"jsonrpc": "2.0", "method": "fail"})
    service.expect("working", "n")
    raw.ask(request(1, "open", gate="n"))
    assert raw.line()["id"] == 1
    service.expect("done", "n")
    check_alive(raw)


def test_repeated_ids_are_answered_like_any_others(raw: RawClient) -> None:
    raw.ask(*(request(7, "echo", value=n) for n in range(3)))
    assert [raw.line()["result"] for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("text", ["1", "-3.50", "1e999", "9" * 1000, '"x"', '"\\u0000"', "null"])
def test_ids_are_echoed_as_they_came(raw: RawClient, text: str) -> None:
    raw.send(f'{{"jsonrpc":"2.0","id":{text},"method":"echo"}}\n'.encode()).end()
    assert f'"id":{text},'.encode() in raw.rest()


@pytest.mark.parametrize("bad_id", [{}, [], [1], {"a": 1}, True, False])
def test_ids_of_other_types_are_refused(raw: RawClient, bad_id: Any) -> None:
    raw.ask(request(bad_id, "echo"))
    answer = raw.line()
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)
    assert "id must be" in answer["error"]["message"]
    check_alive(raw)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"valeu": 1}, "valeu"),
        ({"times": "two"}, "$.times"),
        ({"times": 1.5}, "$.times"),
        ([1], "params must be an object"),
        ([], "params must be an object"),
    ],
)
def test_wrong_parameters_are_named(raw: RawClient, params: Any, named: str) -> None:
    raw.ask({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": params})
    error = raw.line()["error"]
    assert error["code"] == -32602
    assert named in error["message"]
    assert error["data"]["name"] == "InvalidParams"
    check_alive(raw)


def test_a_missing_parameter_is_named(raw: RawClient) -> None:
    raw.ask(request(1, "wait"))
    assert "`gate`" in raw.line()["error"]["message"]


def test_an_unknown_method(raw: RawClient) -> None:
    raw.ask(request(1, "runtime.fly"))
    error = raw.line()["error"]
    assert (error["code"], error["data"]["name"]) == (-32601, "MethodNotFound")
    assert "runtime.fly" in error["message"]


BAD_LINES: list[tuple[bytes, int, str]] = [
    (b'{"jsonrpc":"2.0","id":1', -32700, "truncated"),
    (b"{nope}", -32700, "malformed"),
    (b'{"jsonrpc":"2.0","id":1,"method":"echo"} x', -32700, "trailing"),
    (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700, "byte 34 is not UTF-8"),
    (b'{"jsonrpc":"2.0","id":1,"method":"a\x00b"}', -32700, "invalid character"),
    (b"\x00", -32700, "invalid character"),
    (b"NaN", -32700, "invalid character"),
    (b"[" * 100_000, -32700, "nested too deeply"),
    (b'{"a":' * 100_000, -32700, "nested too deeply"),
    (b'{"jsonrpc":"2.0","id":1,"method":"echo","params":' + b"[" * 100_000, -32700, "deeply"),
    (b"1", -32600, "not an object"),
    (b'"text"', -32600, "not an object"),
    (b"[]", -32600, "empty"),
    (b'{"id":1,"method":"echo"}', -32600, "jsonrpc must be"),
    (b'{"jsonrpc":"1.0","id":1,"method":"echo"}', -32600, "jsonrpc must be"),
    (b'{"jsonrpc":2.0,"id":1,"method":"echo"}', -32600, "jsonrpc must be"),
    (b'{"jsonrpc":"2.0","id":1}', -32600, "method must be"),
    (b'{"jsonrpc":"2.0","id":1,"method":null}', -32600, "method must be"),
    (b'{"jsonrpc":"2.0","id":1,"method":"echo","params":5}', -32600, "params must be"),
    (b'{"jsonrpc":"2.0","id":1,"method":"echo","params":null}', -32600, "params must be"),
]


@pytest.mark.parametrize(("line", "code", "words"), BAD_LINES)
def test_bad_lines(raw: RawClient, line: bytes, code: int, words: str) -> None:
    raw.ask(GOOD).line()
    raw.send(line + b"\n")
    answer = raw.line()
    assert answer["error"]["code"] == code
    assert words in answer["error"]["message"]
    check_alive(raw)


def test_lone_surrogates_are_refused_under_their_id(raw: RawClient) -> None:
    raw.send(b'{"jsonrpc":"2.0","id":"\\u00e9","method":"echo","params":{"value":"\\ud800"}}\n')
    answer = raw.line()
    assert answer["id"] == "é"
    assert "lone surrogate" in answer["error"]["message"]
    check_alive(raw)


def test_lone_surrogates_in_a_batch_cost_only_their_member(raw: RawClient) -> None:
    raw.send(
        b'[{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":"\\uDC00"}},'
        b'{"jsonrpc":"2.0","id":2,"method":"echo","params":{"value":"\\ud83d\\ude00"}}]\n'
    )
    refused, answered = sorted(raw.line(), key=lambda each: int(each["id"]))
    assert "lone surrogate" in refused["error"]["message"]
    assert answered["result"] == "\N{GRINNING FACE}"


def test_nul_in_text_is_text(raw: RawClient) -> None:
    raw.ask(request(1, "echo", value="a\0b"))
    assert raw.line()["result"] == "a\0b"


def test_errors_of_handlers_keep_their_class(raw: RawClient) -> None:
    raw.ask(request(1, "fail", known=True))
    error = raw.line()["error"]
    assert error["data"] == {
        "name": "RuntimeNotFound",
        "exit_code": 3,
        "retryable": False,
        "runtime": "r1",
    }
    assert type(from_wire(error)).__name__ == "RuntimeNotFound"


def test_other_exceptions_are_logged_under_an_incident(
    raw: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        raw.ask(request(1, "fail", secret="hunter2"))
        error = raw.line()["error"]
    assert (error["code"], error["data"]["name"]) == (-32603, "Internal")
    assert "own words" not in json.dumps(error)
    assert f"incident {error['data']['incident']}" in caplog.text
    assert "ZeroDivisionError: the handler's own words" in caplog.text
    assert "hunter2" not in caplog.text
    check_alive(raw)


def test_text_that_is_no_unicode_is_answered_replaced() -> None:
    # A handler cannot get it from a request; a file name that is not UTF-8 is where it comes from.
    name = os.fsdecode(b"caf\xe9")
    assert jsonrpc.encode_result(msgspec.Raw(b"1"), [name]) == (
        '{"jsonrpc":"2.0","id":1,"result":["caf\N{REPLACEMENT CHARACTER}"]}'.encode()
    )


def test_hello_names_the_client_and_its_process(raw: RawClient) -> None:
    raw.ask(request(1, "who"), request(2, "daemon.hello", client="test"), request(3, "who"))
    assert raw.line()["result"] == {"uid": os.getuid(), "pid": os.getpid(), "client": "unknown"}
    hello = raw.line()["result"]
    assert (hello["service"], hello["protocol"]) == ("runtimed.jupyter", [1, 1])
    assert raw.line()["result"]["client"] == "test"


@pytest.mark.parametrize("protocol", [[2, 3], [0, 0], [1], [2, 1], [1, 1, 1], []])
def test_hello_refuses_other_protocols(raw: RawClient, protocol: list[int]) -> None:
    raw.ask(request(1, "daemon.hello", protocol=protocol))
    error = raw.line()["error"]
    assert error["data"]["name"] == "BadRequest"
    if len(protocol) == 2 and protocol != [2, 1]:
        assert f"{protocol[0]} to {protocol[1]}" in error["message"]
        assert "1 to 1" in error["message"]


def test_one_connection_does_not_wait_for_another(
    raw: RawClient, service: Service, socket_path: Path
) -> None:
    raw.ask(request(1, "wait", gate="g"))
    service.expect("waiting", "g")
    with RawClient(socket_path) as other:
        check_alive(other)
        other.ask(request(1, "open", gate="g"))
        assert other.line()["result"] == 1
    assert raw.line()["result"] == "g"
