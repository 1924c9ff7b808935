"""Who gets how much of a budget, where not everything fits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def shares(wants: Sequence[int], weights: Sequence[float], room: int) -> list[int]:
    """Return how much each gets: short ones what they want, the others by weight what is left."""
    given = list(wants)
    hungry = set(range(len(wants)))
    left = room
    while hungry:
        unit = left / sum(weights[each] for each in hungry)
        content = {each for each in hungry if wants[each] <= unit * weights[each]}
        if not content:
            for each in hungry:
                given[each] = int(unit * weights[each])
            break
        left -= sum(wants[each] for each in content)
        hungry -= content
    return given


def kept(costs: Sequence[int], essential: Sequence[int], room: int, note: int) -> list[int]:
    """Return which ones are shown at all, in order.

    ``costs`` is what each needs at least, ``note`` what is said about a stretch that is left out.
    The essential ones come first, in their order; then those at the end and the beginning in turn.
    """
    count = len(costs)
    if sum(costs) <= room:
        return list(range(count))
    chosen: set[int] = set()
    spent = 0
    for each in dict.fromkeys(essential):
        notes = note * stretches(chosen | {each}, count)
        if spent + costs[each] + notes <= room:
            chosen.add(each)
            spent += costs[each]
    spent += note * stretches(chosen, count)
    for each in _from_both_ends(count):
        if each in chosen:
            continue
        if spent + costs[each] > room:
            break
        chosen.add(each)
        spent += costs[each]
    return sorted(chosen)


def stretches(chosen: Iterable[int], count: int) -> int:
    """Return how many stretches are left out between the chosen ones."""
    places = [-1, *sorted(chosen), count]
    return sum(after - before > 1 for before, after in itertools.pairwise(places))


def _from_both_ends(count: int) -> list[int]:
    order: list[int] = []
    first, last = 0, count - 1
    while first <= last:
        order.append(last)
        if first < last:
            order.append(first)
        first, last = first + 1, last - 1
    return order
