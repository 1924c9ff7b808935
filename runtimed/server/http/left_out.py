"""What a text does not have, and where that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.api.types import Gap, OutputPage, OutputsRemoved


def of_page(page: OutputPage) -> list[str]:
    """Return a line for each thing that the page does not have."""
    found = list(lost(page.gap, page.outputs_removed))
    if page.more:
        further = f"GET /v0/executions/{page.execution}/output?cursor={page.cursor}"
        found.insert(0, f"there are {page.total_lines} lines; {further} goes on")
    if page.earlier:
        first = f"GET /v0/executions/{page.execution}/output?cursor=0"
        found.insert(0, f"these are the last of them, fewer than were asked for; {first} has all")
    return found


def lost(gap: Gap | None, removed: OutputsRemoved | None) -> Iterator[str]:
    """Yield a line for what of an execution's output is nowhere."""
    if gap is not None:
        count = "" if gap.count is None else f", {gap.count} messages"
        yield f"some of the output never arrived: {gap.reason}{count}"
    if removed is not None:
        what = f"outputs of {removed.size_bytes} bytes"
        yield f"{what} were removed at {removed.at}: {removed.reason}"
