"""Several losses of one execution: none replaces another."""

from __future__ import annotations

from functools import reduce
from typing import Any

from runtimed.kernels.gaps import MAX_PARTS, Gap, has_reason, joined, loss


def at(second: int) -> str:
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000Z"


def away(begin: int, end: int) -> Gap:
    return loss("keeper_down", from_at=at(begin), to_at=at(end))


def all_of(*losses: Gap) -> Any:
    return reduce(joined, losses, None)


def test_one_loss_is_the_gap() -> None:
    assert all_of(away(1, 2)) == away(1, 2)


def test_two_spans_are_one_gap_that_has_both() -> None:
    first, second = away(1, 2), away(5, 7)
    both = all_of(first, second)
    assert both == {**away(1, 7), "parts": [first, second]}
    assert all_of(first) == away(1, 2), "a gap is never changed: an event may hold it"


def test_what_has_no_time_is_counted_and_says_less_than_what_has_one() -> None:
    dropped = loss("kernel_dropped", count=20)
    gap = all_of(dropped, away(1, 2), dropped, loss("reply"))
    assert (gap["reason"], gap["from_at"], gap["count"]) == ("keeper_down", at(1), None)
    assert gap["parts"] == [loss("kernel_dropped", count=40), away(1, 2), loss("reply")]
    assert has_reason(gap, "reply")
    assert not has_reason(gap, "journal_full")


def test_counts_of_all_are_summed() -> None:
    gap = all_of(loss("kernel_dropped", count=2), loss("journal_full", count=3))
    assert (gap["reason"], gap["count"]) == ("kernel_dropped", 5)


def test_what_was_only_late_is_missing_no_more() -> None:
    dropped, late = loss("kernel_dropped", count=20), loss("kernel_dropped", count=-20)
    assert all_of(dropped, late) is None
    assert all_of(dropped, away(1, 2), late) == away(1, 2)


def test_parts_are_bounded_and_the_oldest_are_told_apart_least() -> None:
    spans = [away(2 * n, 2 * n + 1) for n in range(MAX_PARTS + 10)]
    gap = all_of(loss("torn_tail"), *spans)
    assert len(gap["parts"]) == MAX_PARTS
    assert (gap["from_at"], gap["to_at"]) == (at(0), spans[-1]["to_at"])
    assert gap["parts"][0] == loss("torn_tail")
    assert gap["parts"][1]["from_at"] == at(0)
    assert gap["parts"][-1] == spans[-1]
