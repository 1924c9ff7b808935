from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.wire.journal import (
    CorruptRecord,
    Kind,
    decode,
    encode,
    records,
    scan,
    segment_name,
    segment_offset,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=5,
)
metas = st.dictionaries(st.text(), json_values, max_size=4)
frame_lists = st.lists(st.binary(max_size=200), max_size=8)
kinds = st.sampled_from(list(Kind))
times = st.integers(min_value=0, max_value=2**64 - 1)


@given(kinds, times, metas, frame_lists, st.integers(0, 2**60))
def test_a_record_reads_back_as_it_was_written(
    kind: Kind, at_ns: int, meta: dict[str, object], frames: list[bytes], offset: int
) -> None:
    packed = b"".join(encode(kind, at_ns, meta, [memoryview(frame) for frame in frames]))
    record = decode(b"xyz" + packed, 3, offset)
    assert record is not None
    assert (record.kind, record.at_ns, record.meta) == (kind, at_ns, meta)
    assert [bytes(frame) for frame in record.frames] == frames
    assert (record.offset, record.end) == (offset + 3, offset + 3 + len(packed))


@given(metas, frame_lists, st.data())
def test_every_beginning_of_a_record_is_incomplete(
    meta: dict[str, object], frames: list[bytes], data: st.DataObject
) -> None:
    packed = b"".join(encode(Kind.RECV, 1, meta, frames))
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert decode(packed[:cut], 0, 0) is None
    assert scan(packed + packed[:cut]) == len(packed)


@given(metas, frame_lists, st.data())
def test_a_changed_byte_is_never_taken_for_a_record(
    meta: dict[str, object], frames: list[bytes], data: st.DataObject
) -> None:
    packed = bytearray(b"".join(encode(Kind.RECV, 1, meta, frames)))
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    try:
        record = decode(packed, 0, 0)
    except CorruptRecord:
        return
    assert record is None
    assert position < 4, "only a changed length can look like a record that is not finished"


@given(st.lists(st.tuples(metas, frame_lists), max_size=5), st.binary(max_size=40))
def test_scan_finds_where_the_whole_records_end(
    written: list[tuple[dict[str, object], list[bytes]]], garbage: bytes
) -> None:
    packed = b"".join(b"".join(encode(Kind.SENT, 1, m, f)) for m, f in written)
    assert scan(packed) == len(packed)
    assert [r.meta for r in records(packed, 7)] == [meta for meta, _ in written]
    assert scan(packed + b"\0" * len(garbage)) == len(packed)


def test_a_body_that_does_not_add_up_is_corrupt_in_spite_of_its_checksum() -> None:
    body = b"".join(encode(Kind.EVENT, 1, {"event": "x"}, [b"abc"]))[8:]
    for wrong in (body + b"?", body[:-1], body.replace(b"{", b"[", 1), b"\xff" * len(body)):
        prefix = len(wrong).to_bytes(4, "little") + zlib.crc32(wrong).to_bytes(4, "little")
        with pytest.raises(CorruptRecord):
            decode(prefix + wrong, 0, 0)


def test_what_is_too_much_for_a_record_is_refused() -> None:
    with pytest.raises(CorruptRecord):
        encode(Kind.RECV, 1, {}, [b""] * 65536)
    big = memoryview(bytes(2**20))
    with pytest.raises(CorruptRecord):
        encode(Kind.RECV, 1, {}, [big] * 2048)


@given(st.integers(0, 10**20 - 1))
def test_a_segment_is_named_by_its_offset(offset: int) -> None:
    assert segment_offset(segment_name(offset)) == offset


@pytest.mark.parametrize("name", ["", "1.journal", "x" * 20 + ".journal", "0" * 20, "²" * 20])
def test_other_files_are_no_segments(name: str) -> None:
    assert segment_offset(name) is None
