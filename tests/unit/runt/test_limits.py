"""Limits on a command line."""

from __future__ import annotations

import click
import pytest

from runt.failures import UsageFailure
from runt.limits import Duration, Size, limit_parameters

NONE = {
    **{"memory": None, "cpus": None, "tasks": None, "soft_limits": False},
    **{"time_limit": None, "on_time_limit": None, "output_limit": None},
}


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


@pytest.mark.parametrize(
    ("text", "time_s"),
    [("60", 60), ("0.5s", 0.5), ("5m", 300), ("5 min", 300), ("2H", 7200), ("1d", 86_400)],
)
def test_a_time_is_a_number_of_seconds_or_has_a_unit(text: str, time_s: float) -> None:
    assert Duration().convert(text, None, None) == time_s


@pytest.mark.parametrize("text", ["", "m", "-1", "0", "0s", "1w", "nan", "inf", "1e3", "4000d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)


def test_parameters_are_those_that_were_given() -> None:
    assert limit_parameters(NONE) == {}
    assert limit_parameters({**NONE, "tasks": 5}) == {"limits": {"tasks": 5}}
    on_time = {**NONE, "time_limit": 5.0, "on_time_limit": "detach", "output_limit": 9}
    assert limit_parameters(on_time) == {
        "limits": {"execution_s": 5.0, "on_execution_s": "detach", "output_bytes": 9}
    }
    soft = {**NONE, "memory": 1, "soft_limits": True}
    assert limit_parameters(soft) == {"limits": {"memory_bytes": 1, "soft": True}}


@pytest.mark.parametrize(
    "options",
    [
        {**NONE, "soft_limits": True},
        {**NONE, "soft_limits": True, "time_limit": 5.0},
        {**NONE, "on_time_limit": "detach"},
        {**NONE, "cpus": 1.0, "soft_limits": True},
        {**NONE, "cpus": float("nan")},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageFailure):
        limit_parameters(options)
