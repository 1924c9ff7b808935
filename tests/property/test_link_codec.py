from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.wire.link import MAX_FRAME_BYTES, Decoder, MalformedFrame, encode

headers = st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4)
frames = st.tuples(headers, st.lists(st.binary(max_size=100), max_size=4))


@given(st.lists(frames, max_size=5), st.data())
def test_frames_arrive_whole_and_in_order_however_the_stream_is_cut(
    sent: list[tuple[dict[str, object], list[bytes]]], data: st.DataObject
) -> None:
    stream = b"".join(encode(header, payloads) for header, payloads in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert received == sent


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_malformed(data: bytes) -> None:
    try:
        for header, _ in Decoder().feed(data):
            assert isinstance(header, dict)
    except MalformedFrame:
        pass


@pytest.mark.parametrize(
    "frame",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "little"),
        b"\0\0\0\0",
        b"\x05\0\0\0" + b"\x01\0\0\0" + b"1",
        b"\x08\0\0\0" + b"\x09\0\0\0" + b"{}  ",
        b"\x08\0\0\0" + b"\x02\0\0\0" + b"{}" + b"xx",
        b"\x0c\0\0\0" + b"\x02\0\0\0" + b"{}" + b"\x05\0\0\0" + b"xx",
        b"\x06\0\0\0" + b"\x02\0\0\0" + b"\xff{",
    ],
)
def test_a_frame_that_does_not_add_up_is_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        Decoder().feed(frame)


def test_the_first_frame_may_have_a_smaller_limit() -> None:
    hello, long = encode({"op": "hello"}), encode({}, [bytes(1000)])
    assert len(Decoder(100).feed(hello + long)) == 2
    with pytest.raises(MalformedFrame):
        Decoder(100).feed(long)


def test_a_frame_over_the_limit_is_not_built() -> None:
    with pytest.raises(MalformedFrame):
        encode({}, [memoryview(bytes(2**20))] * 1024)
