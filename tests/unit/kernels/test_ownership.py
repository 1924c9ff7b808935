"""What a notebook was called before."""

from __future__ import annotations

from typing import Any

import pytest

from runtimed.kernels.ownership import with_earlier_paths


def owner(path: str | None, *earlier: str) -> dict[str, Any]:
    return {
        "kind": "jupyter_server",
        "path": path,
        **({"earlier_paths": [*earlier]} if earlier else {}),
    }


@pytest.mark.parametrize(
    ("before", "path", "expected"),
    [
        (None, "a", owner("a")),
        (owner("a"), "a", owner("a")),
        (owner("a"), "b", owner("b", "a")),
        (owner("b", "a"), "c", owner("c", "b", "a")),
        (owner("b", "a"), "a", owner("a", "b")),
        (owner("a"), None, owner(None, "a")),
        (owner(None, "a"), None, owner(None, "a")),
        (owner(None), "a", owner("a")),
    ],
)
def test_earlier_paths(before: dict[str, Any] | None, path: str | None, expected: Any) -> None:
    assert with_earlier_paths(owner(path), before) == expected


def test_earlier_paths_are_bounded() -> None:
    found: dict[str, Any] | None = None
    for number in range(100):
        found = with_earlier_paths(owner(str(number)), found)
    assert found is not None
    assert found["earlier_paths"][:2] == ["98", "97"]
    assert len(found["earlier_paths"]) == 20
