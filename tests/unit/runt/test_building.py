from __future__ import annotations

import pytest

from runt.building import split_packages


@pytest.mark.parametrize(
    ("values", "packages"),
    [
        (["a,b", "c"], ["a", "b", "c"]),
        (["pandas>=2,<3,six"], ["pandas>=2,<3", "six"]),
        (["dask[array,bag],six"], ["dask[array,bag]", "six"]),
        (
            ["six; platform_system in 'Linux,Darwin',a"],
            ["six; platform_system in 'Linux,Darwin'", "a"],
        ),
        (['six; extra == "x,y"'], ['six; extra == "x,y"']),
        (["six; os_name == 'a", "b,c"], ["six; os_name == 'a", "b", "c"]),
    ],
)
def test_packages_are_told_apart_at_commas(values: list[str], packages: list[str]) -> None:
    assert split_packages(tuple(values)) == packages
