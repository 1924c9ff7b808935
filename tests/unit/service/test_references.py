"""Which runtime is meant by a name that several have had."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from runtimed.api.errors import AmbiguousReference
from runtimed.service.references import find_runtime
from tests.unit.kernels.test_intake import Story

LIVED = {"reason": "signal", "signal": 9}
NEVER = {"reason": "not_started"}


def meant(reference: str, *runtimes: tuple[str, str, Any]) -> str:
    """Return the id of the runtime meant, of (name, status, exit), the oldest first."""
    rows = {
        f"01M81X4784J9F4R7APJM7M9R0{n}": msgspec.structs.replace(
            Story().state.row,
            id=f"01M81X4784J9F4R7APJM7M9R0{n}",
            name=name,
            status=status,
            exit=exit_,
            created_ms=n,
            connection_file=f"/kernel-{n}{n}.json",
            pid=None,
        )
        for n, (name, status, exit_) in enumerate(runtimes)
    }
    context: Any = SimpleNamespace(supervisor=SimpleNamespace(rows=rows))
    return find_runtime(context, reference).id[-1]


@pytest.mark.parametrize(
    ("runtimes", "expected"),
    [
        ([("c", "dead", LIVED), ("c", "dead", NEVER)], "0"),
        ([("c", "dead", NEVER), ("c", "dead", LIVED)], "1"),
        ([("c", "dead", LIVED), ("c", "dead", LIVED), ("c", "dead", NEVER)], "1"),
        ([("c", "dead", NEVER), ("c", "dead", NEVER)], "1"),
        ([("c", "dead", NEVER)], "0"),
        ([("c", "alive", None), ("c", "dead", LIVED)], "0"),
        ([("c", "dead", LIVED), ("d", "alive", None)], "0"),
    ],
)
def test_of_one_name(runtimes: list[tuple[str, str, Any]], expected: str) -> None:
    assert meant("c", *runtimes) == expected


def test_a_prefix_of_two_names_is_ambiguous() -> None:
    with pytest.raises(AmbiguousReference) as refused:
        meant("c", ("ca", "dead", LIVED), ("ca", "dead", LIVED), ("cb", "dead", NEVER))
    assert len(refused.value.data["candidates"]) == 2
