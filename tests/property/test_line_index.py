"""Lines read by an index are those of the folded outputs, wherever one begins to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from runtimed.model import line_index
from runtimed.model.line_index import LineIndex
from runtimed.model.outputs import fold
from runtimed.model.text import output_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

texts = st.text(alphabet="ab\n\r", max_size=12)
operations = st.lists(
    st.one_of(
        st.builds(
            lambda name, text: {"op": "stream", "name": name, "text": text},
            st.sampled_from(["stdout", "stderr"]),
            texts,
        ),
        st.builds(
            lambda text, id: {
                "op": "add",
                "output": {
                    "output_type": "display_data",
                    "data": {"text/plain": text},
                    "metadata": {},
                    "display_id": id,
                },
            },
            texts,
            st.sampled_from(["x", "y", None]),
        ),
        st.builds(
            lambda text, id: {
                "op": "update",
                "display_id": id,
                "data": {"text/plain": text},
                "metadata": {},
            },
            texts,
            st.sampled_from(["x", "y"]),
        ),
        st.builds(lambda wait: {"op": "clear", "wait": wait}, st.booleans()),
    ),
    max_size=25,
)


def numbered(ops: list[dict[str, Any]], since: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield operations as the store does: their seqs have holes."""
    return ((3 * n, op) for n, op in enumerate(ops) if 3 * n >= since)


@given(operations, st.integers(1, 4), st.integers(0, 20), st.integers(1, 20), st.integers(0, 60))
def test_any_lines_are_those_of_the_outputs(
    ops: list[dict[str, Any]], mark_lines: int, first: int, most: int, most_chars: int
) -> None:
    with patch.object(line_index, "_MARK_LINES", mark_lines):
        index = LineIndex.of(numbered(ops, 0))
    outputs = fold(ops)
    lines = output_lines(outputs)
    assert len(index) == len(lines)
    found = index.read(first, most, most_chars, lambda seq: numbered(ops, seq))
    assert found == lines[first : first + len(found)]
    if len(found) < min(most, len(lines) - first):
        # It ended for want of room, with a line at least.
        assert found
        assert sum(len(line) + 1 for line in lines[first : first + len(found) + 1]) > most_chars


@given(operations, st.integers(0, 20), st.integers(0, 20), st.integers(1, 9), st.integers(0, 60))
def test_the_last_lines_are_the_last(
    ops: list[dict[str, Any]], first: int, end: int, most: int, most_chars: int
) -> None:
    index = LineIndex.of(numbered(ops, 0))
    end = min(end, len(index))
    wanted = output_lines(fold(ops))[first:end]
    found = index.read_last(first, end, most, most_chars, lambda seq: numbered(ops, seq))
    assert found == (wanted[-len(found) :] if found else [])
    if len(found) < min(most, len(wanted)):
        assert found
        assert sum(len(line) + 1 for line in wanted[-len(found) - 1 :]) > most_chars


@given(operations)
def test_the_last_line_of_a_stream_may_still_grow(ops: list[dict[str, Any]]) -> None:
    outputs = fold(ops)
    text = outputs[-1].get("text", "") if outputs else ""
    with patch.object(line_index, "OPEN_END_CHARS", 3):
        index = LineIndex.of(numbered(ops, 0))
    assert index.is_open is bool(text and not text.endswith("\n"))
    assert index.open_end == text.split("\n")[-1][-3:]


def test_what_is_kept_of_a_stream_is_small_and_read_from_near() -> None:
    ops = [{"op": "stream", "name": "stdout", "text": f"{n}\n" * 100} for n in range(5_000)]
    index = LineIndex.of(numbered(ops, 0))
    asked: list[int] = []

    def since(seq: int) -> Iterator[tuple[int, dict[str, Any]]]:
        asked.append(seq)
        return numbered(ops, seq)

    assert index.read(400_050, 2, 100, since) == ["4000", "4000"]
    assert index.read(499_999, 9, 100, since) == ["4999"]
    assert index.read(500_000, 9, 100, since) == []
    assert asked[0] > 3 * 3_980 and asked[1] > 3 * 4_980
    (stream,) = index._streams.values()
    assert isinstance(stream, line_index._Stream) and len(stream.marks) <= 500
