"""The examples of https://www.jsonrpc.org/specification#examples, each as it stands there.

Two differences, both noted where they are: the words of an error's message are ours (the
specification asks for "a short description"), and an error has ``data`` as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.call import Call
from runtimed.service.binding import Handlers
from tests.harness.lineserver import RawClient, Service, declare, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class NamedSubtract(Call[int], frozen=True, kw_only=True):
    minuend: int
    subtrahend: int


class PositionalSubtract(Call[int], frozen=True, array_like=True):
    minuend: int
    subtrahend: int


class Sum(Call[int], frozen=True, array_like=True):
    a: int
    b: int
    c: int


class Update(Call[None], frozen=True, array_like=True):
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0


class NotifyHello(Call[None], frozen=True, array_like=True):
    a: int


class GetData(Call[list[Any]], frozen=True):
    pass


def _handlers(subtract: type[Call[Any]]) -> Handlers:
    handlers = Handlers()
    stubs: dict[str, type[Call[Any]]] = {
        "subtract": subtract,
        "sum": Sum,
        "update": Update,
        "notify_hello": NotifyHello,
        "get_data": GetData,
    }
    for name, cls in stubs.items():
        declare(name, cls)

    async def answer_subtract(ctx: Service, call: Any, caller: object) -> int:
        difference: int = call.minuend - call.subtrahend
        return difference

    async def answer_sum(ctx: Service, call: Sum, caller: object) -> int:
        return call.a + call.b + call.c

    async def answer_nothing(ctx: Service, call: Any, caller: object) -> None:
        ctx.seen.put(("notified", type(call).__name__))

    async def answer_get_data(ctx: Service, call: GetData, caller: object) -> list[Any]:
        return ["hello", 5]

    handlers[subtract] = answer_subtract
    handlers[Sum] = answer_sum
    handlers[Update] = handlers[NotifyHello] = answer_nothing
    handlers[GetData] = answer_get_data
    return handlers


@pytest.fixture
def positional(socket_path: Path) -> Iterator[RawClient]:
    service = Service()
    handlers = _handlers(PositionalSubtract)
    with serving(socket_path, service, handlers=handlers), RawClient(socket_path) as raw:
        yield raw


@pytest.fixture
def named(socket_path: Path) -> Iterator[RawClient]:
    handlers = _handlers(NamedSubtract)
    with serving(socket_path, Service(), handlers=handlers), RawClient(socket_path) as raw:
        yield raw


def exchange(raw: RawClient, text: str) -> Any:
    """Send one message, on one line as our framing has it; return all that is answered."""
    raw.send(" ".join(text.split("\n")).encode() + b"\n").end()
    answers = raw.rest()
    assert answers.count(b"\n") <= 1
    return _without_words(json.loads(answers)) if answers else None


def _without_words(answer: Any) -> Any:
    """Return an answer with its errors reduced to their codes."""
    if isinstance(answer, list):
        return [_without_words(each) for each in answer]
    if "error" in answer:
        return answer | {"error": {"code": answer["error"]["code"]}}
    return answer


def error(code: int, request_id: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code}, "id": request_id}


def result(value: Any, request_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": value, "id": request_id}


POSITIONAL: list[tuple[str, Any]] = [
    # rpc call with positional parameters
    ('{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', result(19, 1)),
    ('{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', result(-19, 2)),
    # a Notification
    ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    # rpc call of non-existent method
    ('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', error(-32601, "1")),
    # rpc call with invalid JSON
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', error(-32700)),
    # rpc call with invalid Request object
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', error(-32600)),
    # rpc call Batch, invalid JSON
    (
        """[
            {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
            {"jsonrpc": "2.0", "method"
        ]""",
        error(-32700),
    ),
    # rpc call with an empty Array
    ("[]", error(-32600)),
    # rpc call with an invalid Batch (but not empty)
    ("[1]", [error(-32600)]),
    # rpc call with invalid Batch
    ("[1,2,3]", [error(-32600)] * 3),
    # rpc call Batch (all notifications)
    (
        """[
            {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
        ]""",
        None,
    ),
]


@pytest.mark.parametrize(("sent", "answered"), POSITIONAL)
def test_example(positional: RawClient, sent: str, answered: Any) -> None:
    assert exchange(positional, sent) == answered


@pytest.mark.parametrize(
    ("params", "request_id"),
    [('{"subtrahend": 23, "minuend": 42}', 3), ('{"minuend": 42, "subtrahend": 23}', 4)],
)
def test_example_with_named_parameters(named: RawClient, params: str, request_id: int) -> None:
    sent = f'{{"jsonrpc": "2.0", "method": "subtract", "params": {params}, "id": {request_id}}}'
    assert exchange(named, sent) == result(19, request_id)


def test_example_of_a_batch(positional: RawClient) -> None:
    sent = """[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]"""
    answers = exchange(positional, sent)
    # In the order of the requests; the specification would allow any.
    assert answers == [
        result(7, "1"),
        result(19, "2"),
        error(-32600),
        error(-32601, "5"),
        result(["hello", 5], "9"),
    ]
