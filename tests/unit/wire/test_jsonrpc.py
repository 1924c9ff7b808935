"""Lines to messages, and answers to lines."""

from __future__ import annotations

import json

import msgspec
import pytest

from runtimed.api.errors import InvalidRequest, ParseError, RuntimeNotFound
from runtimed.wire import jsonrpc
from runtimed.wire.jsonrpc import Refused, Request


def only_member(line: bytes) -> Request | Refused:
    message = jsonrpc.decode(line)
    assert message is not None
    (member,) = message.members
    assert not message.is_batch
    return member


def refusal(line: bytes) -> tuple[type, bytes]:
    member = only_member(line)
    assert isinstance(member, Refused)
    return type(member.error), bytes(member.id)


def test_a_request() -> None:
    member = only_member(b' {"jsonrpc": "2.0", "id" : 1.50, "method":"a.b","params": {"x": 1}} ')
    assert isinstance(member, Request)
    assert member.method == "a.b"
    assert bytes(member.id or b"") == b"1.50"
    assert json.loads(bytes(member.params or b"")) == {"x": 1}


def test_unknown_members_are_ignored() -> None:
    member = only_member(b'{"jsonrpc":"2.0","id":1,"method":"a","trace":{"deep":[]}}')
    assert isinstance(member, Request)


def test_escaped_names_are_the_same_names() -> None:
    member = only_member(rb'{"jsonrpc":"2\u002e0","id":1,"\u006dethod":"\u0061"}')
    assert isinstance(member, Request)
    assert member.method == "a"


def test_a_null_id_is_an_id_and_a_missing_one_is_not() -> None:
    with_null = only_member(b'{"jsonrpc":"2.0","id":null,"method":"a"}')
    without = only_member(b'{"jsonrpc":"2.0","method":"a"}')
    assert isinstance(with_null, Request)
    assert isinstance(without, Request)
    assert bytes(with_null.id or b"") == b"null"
    assert without.id is None


@pytest.mark.parametrize("blank", [b"", b"  ", b"\t", b"\r"])
def test_a_blank_line_is_no_message(blank: bytes) -> None:
    assert jsonrpc.decode(blank) is None


def test_the_id_of_an_invalid_request_is_kept_where_there_is_one() -> None:
    assert refusal(b'{"id":"x","method":1,"jsonrpc":"2.0"}') == (InvalidRequest, b'"x"')
    assert refusal(b'{"id":{},"method":"a","jsonrpc":"2.0"}') == (InvalidRequest, b"null")
    assert refusal(b'{"method":1,"jsonrpc":"2.0"}') == (InvalidRequest, b"null")


@pytest.mark.parametrize(
    "line",
    [
        rb'{"jsonrpc":"2.0","id":"\ud800","method":"a"}',
        rb'{"jsonrpc":"2.0","id":"\ud800","method":"\udc00\ud800"}',
        rb'{"\ud800":1,"jsonrpc":"2.0","id":"\ud800","method":"a"}',
    ],
)
def test_an_id_that_is_no_text_is_still_the_id(line: bytes) -> None:
    assert refusal(line) == (InvalidRequest, rb'"\ud800"')


def test_a_lone_surrogate_beside_broken_json_is_broken_json() -> None:
    assert refusal(rb'{"id":1,"a":"\ud800"')[0] is ParseError
    assert refusal(rb'{"id":1,"a":"\ud800","b":NaN}')[0] is ParseError
    assert refusal(rb'{"a":"\ud800","b":' + b"[" * 100_000)[0] is ParseError


def test_batches_at_and_over_the_limit() -> None:
    within = jsonrpc.decode(b"[1,2,3]", max_batch=3)
    assert within is not None
    assert (within.is_batch, len(within.members)) == (True, 3)
    for over in (b"[1,2,3,4]", b" [1,2,3,4] ", rb'["\ud800",2,3,4]'):
        message = jsonrpc.decode(over, max_batch=3)
        assert message is not None
        assert not message.is_batch
        (member,) = message.members
        assert isinstance(member, Refused)


def test_a_broken_batch_is_one_error() -> None:
    for line in (b"[1,2", b"[1,,2]", b"[1,2]]", b"[1,2,3,4,"):
        message = jsonrpc.decode(line, max_batch=3)
        assert message is not None
        (member,) = message.members
        assert isinstance(member, Refused)


def test_answers() -> None:
    one = jsonrpc.encode_result(msgspec.Raw(b"1"), {"a": None})
    assert json.loads(one) == {"jsonrpc": "2.0", "id": 1, "result": {"a": None}}
    two = jsonrpc.encode_error(msgspec.Raw(b'"x"'), RuntimeNotFound(runtime="r\udcff"))
    error = json.loads(two)["error"]
    assert error["data"]["runtime"] == "r\N{REPLACEMENT CHARACTER}"
    assert json.loads(jsonrpc.encode_batch([one, two])) == [json.loads(one), json.loads(two)]


def test_notifications_of_structures_and_of_encoded_ones() -> None:
    expected = {"jsonrpc": "2.0", "method": "event", "params": {"a": 1}}
    assert json.loads(jsonrpc.encode_notification("event", {"a": 1})) == expected
    assert json.loads(jsonrpc.encode_notification("event", b'{"a":1}')) == expected


def test_pairs_of_surrogates_are_text() -> None:
    assert jsonrpc.replace_surrogates({"\ud800": ["\ud83d\ude00", "\udc00x"]}) == {
        "\N{REPLACEMENT CHARACTER}": ["\N{GRINNING FACE}", "\N{REPLACEMENT CHARACTER}x"]
    }
