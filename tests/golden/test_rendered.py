"""What is rendered of real outputs is what it was; `record.py --render` renews it."""

from __future__ import annotations

import tomllib

import pytest

from tests.golden.record import HERE, OUTPUTS, RENDERED, rendered

NAMES = sorted(path.stem for path in OUTPUTS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_rendered(name: str) -> None:
    assert rendered(name) == (RENDERED / f"{name}.txt").read_text()


def test_all_is_recorded_and_nothing_else() -> None:
    cells = tomllib.loads((HERE / "cells.toml").read_text())["cell"]
    assert sorted(cell["name"] for cell in cells) == NAMES
    assert sorted(path.stem for path in RENDERED.iterdir()) == NAMES


def test_the_recording_is_small() -> None:
    assert sum(path.stat().st_size for path in OUTPUTS.iterdir()) < 300_000
