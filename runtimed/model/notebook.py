"""Cells' places in a notebook, and which cells of two readings of a file are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
U = TypeVar("U")


class Placed(NamedTuple):
    """A position for a cell, and the positions of the others where they have to make room."""

    position: float
    others: list[tuple[str, float]]


def placed(order: Sequence[tuple[str, float]], index: int) -> Placed:
    """Return a position at the index among (id, position) of the other cells.

    It lies between its neighbours', so that nobody else is moved; where floats have no number
    left between them, all get whole ones.
    """
    before = order[index - 1][1] if 0 < index else None
    after = order[index][1] if index < len(order) else None
    if before is None:
        return Placed(0.0 if after is None else after - 1, [])
    if after is None:
        return Placed(before + 1, [])
    middle = (before + after) / 2
    if before < middle < after:
        return Placed(middle, [])
    moved = [(cell, float(n + (n >= index))) for n, (cell, _) in enumerate(order)]
    return Placed(float(index), moved)


def matched(
    known: Sequence[T],
    read: Sequence[U],
    *keys: tuple[Callable[[T], object], Callable[[U], object]],
) -> list[T | None]:
    """Return for each cell that was read the known one that it is, if any; none is taken twice.

    ``keys`` are tried one after the other: what a known and a read cell are the same by.
    """
    found: list[T | None] = [None] * len(read)
    left = list(known)
    for of_known, of_read in keys:
        by_key: dict[object, list[T]] = {}
        for cell in left:
            by_key.setdefault(of_known(cell), []).append(cell)
        for n, cell_read in enumerate(read):
            if found[n] is None and (same := by_key.get(of_read(cell_read))):
                found[n] = same.pop(0)
        taken = {id(cell) for cell in found if cell is not None}
        left = [cell for cell in left if id(cell) not in taken]
    return found
