"""Whatever an event holds, and however it is cut on its way, a reader sees the same event."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.wire import sse
from tests.harness.sse import EventReader, ServerSentEvent

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=8)
DATA = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n:"), max_size=12)
EVENTS = st.lists(st.tuples(DATA, LINE.filter(bool), LINE), max_size=5)


@given(EVENTS, st.lists(st.integers(0, 300)))
def test_what_is_encoded_is_read(events: list[tuple[str, str, str]], cuts: list[int]) -> None:
    stream = sse.encode_retry(1500)
    for data, type, id in events:
        stream += sse.encode_event(data.encode(), type=type, id=id) + sse.HEARTBEAT
    places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    reader, read = EventReader(), []
    for begin, end in itertools.pairwise(places):
        read += reader.feed(stream[begin:end])
    assert read == [
        ServerSentEvent(type, data.replace("\r\n", "\n").replace("\r", "\n"), id)
        for data, type, id in events
    ]
    assert (reader.retry_ms, reader.comments) == (1500, len(events))


@pytest.mark.parametrize("end", ["\n", "\r", "\0"])
def test_a_field_that_would_end_its_line_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="does not fit on a line"):
        sse.encode_event(b"{}", type=f"a{end}data: forged", id="1")
    with pytest.raises(ValueError, match="does not fit on a line"):
        sse.encode_event(b"{}", type="a", id=f"1{end}event: forged")
