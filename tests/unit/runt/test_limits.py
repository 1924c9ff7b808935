"""Limits on a command line."""

from __future__ import annotations

import click
import pytest

from runt.failures import UsageFailure
from runt.limits import Size, limit_parameters

NONE = {"memory": None, "cpus": None, "tasks": None, "soft_limits": False}


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("2G", 2 * 2**30),
        ("2g", 2 * 2**30),
        ("2GiB", 2 * 2**30),
        ("512M", 512 * 2**20),
        ("1.5K", 1536),
        ("100", 100),
        (" 4 T ", 4 * 2**40),
    ],
)
def test_a_size_is_read_as_systemd_reads_it(text: str, size_bytes: int) -> None:
    assert Size().convert(text, None, None) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "G", "-1", "2GB", "2 gigs", "0", "0.1", "1e9", "nan", "inf", "50%", "99999999T"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Size().convert(text, None, None)


def test_parameters_are_those_that_were_given() -> None:
    assert limit_parameters(NONE) == {}
    assert limit_parameters({**NONE, "tasks": 5}) == {"limits": {"tasks": 5}}
    soft = {**NONE, "memory": 1, "soft_limits": True}
    assert limit_parameters(soft) == {"limits": {"memory_bytes": 1, "soft": True}}


@pytest.mark.parametrize(
    "options",
    [
        {**NONE, "soft_limits": True},
        {**NONE, "cpus": 1.0, "soft_limits": True},
        {**NONE, "cpus": float("nan")},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageFailure):
        limit_parameters(options)
