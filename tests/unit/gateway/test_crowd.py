"""Who is cut when too many are connected, and who is not let in."""

from __future__ import annotations

from runtimed.gateway.crowd import Crowd


class Member:
    """A connection that notes that it was cut."""

    is_cut = False

    def cut(self) -> None:
        self.is_cut = True


def test_the_stranger_that_came_first_goes_first() -> None:
    crowd = Crowd(most_known=2, most_strangers=2)
    members = [Member() for _ in range(5)]
    crowd.enter(members[0])
    assert crowd.admit(members[0])
    for member in members[1:]:
        crowd.enter(member)
    assert [member.is_cut for member in members] == [False, True, True, False, False]


def test_who_is_known_takes_a_place_until_it_leaves() -> None:
    crowd = Crowd(most_known=1, most_strangers=2)
    one, two = Member(), Member()
    crowd.enter(one)
    crowd.enter(two)
    assert crowd.admit(one)
    assert not crowd.admit(two)
    assert crowd.admit(one)
    crowd.leave(one)
    assert crowd.admit(two)
