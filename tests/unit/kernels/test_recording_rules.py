"""Which rule says what is kept of a kernel that works in a directory."""

from __future__ import annotations

import pytest

from runtimed.kernels.recording import nearest, rule_for

RULES = {"/": "metadata", "/home/ann": "off", "/home/ann/open": "all"}


@pytest.mark.parametrize(
    ("directory", "rule"),
    [
        ("/home/ann/open/below", "all"),
        ("/home/ann/open", "all"),
        ("/home/ann/opening", "off"),
        ("/home/anna", "metadata"),
        ("/", "metadata"),
        ("", "metadata"),
    ],
)
def test_the_nearest_rule_holds(directory: str, rule: str) -> None:
    assert rule_for(directory, RULES) == rule


@pytest.mark.parametrize("directory", ["/elsewhere", "/", ""])
def test_where_nothing_was_said_there_is_no_rule(directory: str) -> None:
    assert rule_for(directory, {"/home": "off"}) is None


def test_the_nearest_directory_is_found_by_whole_names() -> None:
    assert nearest("/home/ann/open/below", RULES) == "/home/ann/open"
    assert nearest("/home/ann/opening", RULES) == "/home/ann"
    assert nearest("/elsewhere", {"/home": "off"}) is None
