"""What holes in a kernel's numbers prove: every storm's loss, and nothing that is no loss."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimed.kernels.numbering import SMALL, Numbering

FULL = 500  # what libzmq lets pass between two times that its queue is full, at the least


def identity(number: int, pid: int = 4711) -> str:
    return f"0a1b-c_{pid}_{number}"


def say(numbers: Numbering, first: int, count: int, msg_type: str = "stream") -> int:
    return sum(numbers.hear(identity(n), msg_type) for n in range(first, first + count))


@given(
    st.lists(st.tuples(st.integers(FULL, 1500), st.integers(SMALL + 1, 3000)), max_size=5),
    st.sampled_from(["stream", "display_data"]),
    st.integers(0, 10**6),
)
def test_each_hole_of_a_storm_is_counted_whole(
    storm: list[tuple[int, int]], msg_type: str, number: int
) -> None:
    numbers, dropped = Numbering(), 0
    for passed, lost in storm:
        dropped += say(numbers, number, passed, msg_type)
        number += passed + lost
    dropped += numbers.hear(identity(number), "status")
    assert dropped == sum(lost for _, lost in storm)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, SMALL)), max_size=100))
def test_small_holes_prove_nothing(steps: list[tuple[int, int]]) -> None:
    numbers, number = Numbering(), 2000
    assert say(numbers, 0, 2000) == 0
    for passed, taken in steps:  # each ends with a status, as whatever takes numbers does
        assert say(numbers, number, passed) == 0
        number += passed + taken
        assert numbers.hear(identity(number), "status") == 0
        number += 1


@given(st.lists(st.integers(0, 10**12), max_size=1500))
def test_numbers_that_are_no_numbering_prove_nothing(said: list[int]) -> None:
    numbers = Numbering()
    assert sum(numbers.hear(identity(n), "status") for n in said[:400]) == 0
    assert [numbers.hear(each) for each in ("", "_", "a", "a_b_c", "x_1_²", "_1_2")] == [0] * 6


def test_what_came_on_other_channels_is_not_missing() -> None:
    numbers = Numbering()
    assert say(numbers, 0, 2000) == 0
    for number in range(2000, 2100):  # a hundred questions in a row
        assert numbers.hear_elsewhere(identity(number), "input_request") == 0
    assert numbers.hear(identity(2100), "status") == 0


def test_what_is_only_late_is_taken_back() -> None:
    numbers = Numbering()
    assert say(numbers, 0, 2000) == 0
    assert numbers.hear(identity(2020), "display_data") == 20
    late = [numbers.hear(identity(n), "display_data") for n in range(2000, 2020)]
    assert sum(late) == -20


def test_children_are_numbered_each_by_itself() -> None:
    numbers, dropped = Numbering(), 0
    say(numbers, 0, 2000)
    for child in range(200):
        for number in range(5):
            dropped += numbers.hear(identity(1990 + number, child), "stream")
            dropped += numbers.hear(identity(2000 + child * 5 + number), "stream")
    assert dropped == 0
    assert numbers.hear(identity(3500), "status") == 500
