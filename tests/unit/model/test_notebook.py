"""Places of cells, and which cells of two readings are the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.notebook import matched, placed


@given(st.lists(st.integers(0, 100), max_size=200))
def test_each_cell_is_where_it_was_put(indices: list[int]) -> None:
    order: list[tuple[str, float]] = []
    wanted: list[str] = []
    for n, index in enumerate(min(i, k) for k, i in enumerate(indices)):
        position, moved = placed(order, index)
        wanted.insert(index, str(n))
        now = dict(order) | dict(moved) | {str(n): position}
        order = sorted(now.items(), key=lambda item: item[1])
        assert [cell for cell, _ in order] == wanted
        assert len({at for _, at in order}) == len(order)


def test_only_where_floats_end_are_others_moved() -> None:
    order, moves = [("a", 1.0), ("b", 2.0)], 0
    for n in range(200):
        position, moved = placed(order, 1)
        moves += bool(moved)
        order = sorted(
            (dict(order) | dict(moved) | {str(n): position}).items(), key=lambda item: item[1]
        )
    assert 0 < moves < 10
    assert order[0][0] == "a" and order[-1][0] == "b"


def test_the_first_key_goes_before_the_second_and_none_is_taken_twice() -> None:
    known = [("1", "x"), ("2", "x"), ("3", "y")]
    read = [("9", "x"), ("1", "changed"), ("8", "x"), ("7", "x"), ("6", "y")]
    keys = [(lambda c: c[0], lambda c: c[0]), (lambda c: c[1], lambda c: c[1])]
    assert matched(known, read, *keys) == [known[1], known[0], None, None, known[2]]
