"""What a kernel says: verified, parsed, and read as far as it can be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtimed.kernels.messages import DELIMITER, BadMessage, Signer

SIGNER = Signer(b"key", "hmac-sha256", "session")


def frames(content: bytes, signer: Signer = SIGNER) -> list[bytes]:
    """Sign this content as a kernel would."""
    built = signer.build("stream", {}, msg_id="m", date="d", parent={"msg_id": "p", "session": "s"})
    parts = [*built[2:5], content]
    return [b"topic", DELIMITER, signer._sign(parts), *parts]


def parsed(content: bytes) -> dict[str, Any]:
    return SIGNER.parse(frames(content)).content


def test_there_and_back() -> None:
    message = SIGNER.parse([*frames(b'{"a":[1,"\xc3\xa9"]}'), b"buffer", b""])
    assert message.content == {"a": [1, "\u00e9"]}
    assert (message.msg_type, message.msg_id, message.session) == ("stream", "m", "session")
    assert (message.parent_id, message.parent_session) == ("p", "s")
    assert message.buffers == [b"buffer", b""]


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b'{"a":"x\xffy"}', "x\ufffdy"),
        (rb'{"a":"x\ud800y"}', "x\ufffdy"),
        (rb'{"a":"x\udc80\ud83d\ude00"}', "x\ufffd\N{GRINNING FACE}"),
        (b'{"a":NaN}', None),
        (b'{"a":[Infinity,-Infinity,1.5]}', [None, None, 1.5]),
        (rb'{"a":{"\ud800":"\u0000"}}', {"\ufffd": "\0"}),
    ],
)
def test_what_is_not_quite_json(content: bytes, read: Any) -> None:
    found = parsed(content)["a"]
    assert found == read
    json.dumps(found, ensure_ascii=False).encode()  # it can be stored


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"3", b"{", b'{"a":}', b"[" * 100_000, b'{"a":1}x']
)
def test_what_is_no_message(content: bytes) -> None:
    with pytest.raises(BadMessage):
        parsed(content)


@pytest.mark.parametrize("place", [2, 3, 4, 5, 6])
def test_a_changed_byte_is_noticed(place: int) -> None:
    changed = frames(b'{"a":1}')
    changed[place] = changed[place][:-1] + bytes([changed[place][-1] ^ 1])
    with pytest.raises(BadMessage):
        SIGNER.parse(changed)


@pytest.mark.parametrize("count", range(7))
def test_too_few_frames(count: int) -> None:
    with pytest.raises(BadMessage):
        SIGNER.parse(frames(b"{}")[:count])


def test_without_a_key_nothing_is_signed() -> None:
    open_signer = Signer(b"", "hmac-sha256", "session")
    assert open_signer.parse(frames(b'{"a":1}', open_signer)).content == {"a": 1}
    with pytest.raises(BadMessage):
        SIGNER.parse(frames(b'{"a":1}', open_signer))


def test_an_unknown_scheme() -> None:
    with pytest.raises(BadMessage):
        Signer(b"key", "hmac-rot13", "session")
