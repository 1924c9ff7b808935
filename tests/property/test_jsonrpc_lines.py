"""Whatever is sent: one answer for each request, under its id, and the connection lives on."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtimed.wire import jsonrpc
from runtimed.wire.framing import LineSplitter
from runtimed.wire.jsonrpc import Message, Refused, Request
from tests.harness.lineserver import RawClient, Service, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
IDS = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
#: Members that are nearly requests: each part is right, wrong or missing.
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | VALUES,
        "id": IDS | VALUES,
        "method": st.sampled_from(["echo", "nope", "fail"]) | VALUES,
        "params": st.fixed_dictionaries({}, optional={"value": VALUES}) | VALUES,
        "other": VALUES,
    },
)
LINES = st.one_of(
    st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")),
    NEARLY.map(lambda member: json.dumps(member).encode()),
    st.lists(NEARLY | VALUES, max_size=4).map(lambda batch: json.dumps(batch).encode()),
    NEARLY.map(lambda member: json.dumps(member).encode()[:-3]),
    st.text(st.characters(categories=["Cs", "L"]), max_size=5).map(
        lambda text: json.dumps({"jsonrpc": "2.0", "id": text, "method": text}).encode()
    ),
)


def members_of(line: bytes) -> Message:
    message = jsonrpc.decode(line)
    assert message is not None
    return message


@given(st.binary(max_size=200))
def test_decoding_takes_any_bytes(line: bytes) -> None:
    message = jsonrpc.decode(line)
    assert message is None or message.members
    if message is not None and not _is_json(line):
        assert all(isinstance(member, Refused) for member in message.members)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.decode("utf-8"))
    except ValueError:
        return False
    return True


@given(NEARLY)
def test_a_member_is_a_request_if_and_only_if_it_is_one(member: dict[str, Any]) -> None:
    (decoded,) = members_of(json.dumps(member).encode()).members
    request_id = member.get("id")
    id_is_valid = not isinstance(request_id, bool | list | dict)
    is_request = (
        member.get("jsonrpc") == "2.0"
        and isinstance(member.get("method"), str)
        and isinstance(member.get("params", {}), list | dict)
        and id_is_valid
    )
    assert isinstance(decoded, Request) is is_request
    assert (decoded.id is None) is (is_request and "id" not in member)
    if decoded.id is not None:
        assert json.loads(bytes(decoded.id)) == (request_id if id_is_valid else None)


@given(st.lists(NEARLY | VALUES, min_size=1, max_size=5))
def test_a_batch_is_its_members(batch: list[Any]) -> None:
    message = members_of(json.dumps(batch).encode())
    assert message.is_batch
    alone = [members_of(json.dumps(member).encode()) for member in batch]
    for member, single in zip(message.members, alone, strict=True):
        if not single.is_batch and isinstance(member, Request):
            assert type(single.members[0]) is Request


@given(st.text(max_size=20) | st.lists(st.text(st.characters(categories=["Cs", "L"]))))
def test_any_result_is_sent_as_json(result: Any) -> None:
    answer = json.loads(jsonrpc.encode_result(jsonrpc.NULL_ID, result))
    json.dumps(answer, ensure_ascii=False).encode("utf-8")  # no lone surrogate is left


@given(st.lists(st.binary(max_size=12)), st.data())
def test_splitting_does_not_depend_on_chunks(lines: list[bytes], data: st.DataObject) -> None:
    lines = [line.replace(b"\n", b"").rstrip(b"\r") for line in lines]
    ends = data.draw(
        st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=len(lines), max_size=len(lines))
    )
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=True))
    splitter, found = LineSplitter(12), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert (found, splitter.overflowed) == (lines, False)


@pytest.fixture(scope="module")
def served() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="rd-"))
    with serving(directory / "s", Service()):
        yield directory / "s"
    shutil.rmtree(directory)


@settings(max_examples=200)
@given(lines=st.lists(LINES, max_size=6))
def test_every_request_is_answered_once_and_the_connection_lives(
    served: Path, lines: list[bytes]
) -> None:
    expected = [_expected_ids(line) for line in lines]
    with RawClient(served) as raw:
        raw.ask(request("first", "echo", value=1))
        raw.send(b"".join(line + b"\n" for line in lines))
        raw.ask(request("last", "echo", value=2)).end()
        answers = [json.loads(line) for line in raw.rest().splitlines()]
    found = [_ids(answer) for answer in answers]
    expected = [["first"], *(ids for ids in expected if ids), ["last"]]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    results = {repr(each["id"]): each for each in answers if isinstance(each, dict)}
    assert results["'last'"]["result"] == 2


def _expected_ids(line: bytes) -> list[Any]:
    """Return the ids of the answers to a line; what `decode` makes of a line is tested above."""
    message = jsonrpc.decode(line)
    if message is None:
        return []
    return [json.loads(bytes(each.id)) for each in message.members if each.id is not None]


def _ids(answer: Any) -> list[Any]:
    assert "method" not in answer
    every = answer if isinstance(answer, list) else [answer]
    assert all(("result" in each) != ("error" in each) for each in every)
    return [each["id"] for each in every]
