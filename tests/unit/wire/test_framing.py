"""Splitting a byte stream into lines."""

from __future__ import annotations

import pytest

from runtimed.wire.framing import LineSplitter

LIMIT = 10


def test_lines_and_their_rest() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"one\ntwo\r\n\nthr") == [b"one", b"two", b""]
    assert splitter.feed(b"ee") == []
    assert splitter.feed(b"\nlast") == [b"three"]
    assert splitter.finish() == b"last"
    assert splitter.finish() == b""


def test_a_carriage_return_apart_from_its_line_feed() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"a\r") == []
    assert splitter.feed(b"\nb\rc\n") == [b"a", b"b\rc"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("chunk_bytes", [1, 3, 100])
def test_the_limit_is_of_the_line_without_its_end(end: bytes, chunk_bytes: int) -> None:
    fits = _feed(splitter := LineSplitter(LIMIT), b"x" * LIMIT + end, chunk_bytes)
    assert (fits, splitter.overflowed) == ([b"x" * LIMIT], False)
    over = _feed(splitter := LineSplitter(LIMIT), b"x" * (LIMIT + 1) + end, chunk_bytes)
    assert (over, splitter.overflowed) == ([], True)


@pytest.mark.parametrize("chunk_bytes", [1, 3, 100])
def test_what_came_before_a_line_over_the_limit_is_returned(chunk_bytes: int) -> None:
    splitter = LineSplitter(LIMIT)
    lines = _feed(splitter, b"a\nb\n" + b"x" * 20 + b"\nc\n", chunk_bytes)
    assert lines == [b"a", b"b"]
    assert splitter.overflowed
    assert splitter.finish() == b""


def test_never_more_is_held_than_the_limit() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(100):
        splitter.feed(b"xyz")
        assert splitter.buffered_bytes <= LIMIT + 1
    assert splitter.buffered_bytes == 0


def _feed(splitter: LineSplitter, data: bytes, chunk_bytes: int) -> list[bytes]:
    lines = []
    for begin in range(0, len(data), chunk_bytes):
        lines += splitter.feed(data[begin : begin + chunk_bytes])
    return lines
