from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runt.commands import evaluate_options
from runt.commands.evaluate_options import OPTIONS, defaults, parse
from runt.options import evaluation_command


def by_click(verb: str, argv: list[str]) -> dict[str, Any] | None:
    """Parse with click; None where it refuses."""
    found: dict[str, Any] = {}

    def take(options: dict[str, Any]) -> int:
        found.update(options)
        return 0

    try:
        evaluation_command(verb, take, "``x``: y.").main(argv, "runt", standalone_mode=False)
    except click.ClickException:
        return None
    return found


def words() -> st.SearchStrategy[list[str]]:
    flags = [flag for option in OPTIONS for flag in option.flags]
    word = st.one_of(
        st.sampled_from([*flags, "-", "--", "--json=1", "--wait=2", "-r1", "-qd", "--bogus", ""]),
        st.sampled_from(flags).map(lambda flag: f"{flag}=x"),
        st.sampled_from(["1+1", "text", "json", "0.5", "-1", "nan", "A=b", "x y"]),
    )
    return st.lists(word, max_size=6)


@given(st.sampled_from(["eval", "submit"]), words())
def test_parse_agrees_with_click_or_leaves_it_to_it(verb: str, argv: list[str]) -> None:
    parsed = parse(verb, argv)
    if parsed is not None:
        assert parsed == by_click(verb, argv)


USUAL = [
    ["1+1"],
    ["-r", "lab", "x"],
    ["--runtime=lab", "x"],
    ["--wait", "1.5", "x", "--json"],
    ["-f", "script.py", "--", "a", "-b", "--", "c"],
    ["--env", "A=1", "--env", "B=2", "x"],
    ["--value", "json", "x"],
    ["-q", "-d", "x"],
    ["-"],
    [],
    ["--kernel", "python3", "--no-stop-on-error", "--group", "g", "--cell", "n/c", "x"],
]


@pytest.mark.parametrize("argv", USUAL, ids=" ".join)
def test_the_usual_command_lines_need_no_click(argv: list[str]) -> None:
    parsed = parse("eval", argv)
    assert parsed is not None
    assert parsed == by_click("eval", argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["--bogus", "x"],
        ["--wait", "soon", "x"],
        ["--wait", "-1", "x"],
        ["--wait", "nan", "x"],
        ["--wait", "inf", "x"],
        ["--wait", "1e10", "x"],
        ["a", "b"],
        ["--value", "yaml", "x"],
        ["-r"],
        ["--json=1", "x"],
        ["-qd", "x"],
    ],
    ids=" ".join,
)
def test_what_is_unusual_is_left_to_click(argv: list[str]) -> None:
    assert parse("eval", argv) is None


def test_words_after_two_dashes_are_the_codes_own() -> None:
    parsed = parse("eval", ["code", "--", "--json", "x"])
    assert parsed == {**defaults("eval"), "code": "code", "argv": ["--json", "x"]}


def test_submit_has_no_options_that_need_someone_to_wait() -> None:
    assert parse("submit", ["--wait", "1", "x"]) is None
    assert set(defaults("submit")) == {o.name for o in OPTIONS if "submit" in o.verbs}


def test_flags_are_unique() -> None:
    flags = [flag for option in evaluate_options.OPTIONS for flag in option.flags]
    assert len(flags) == len(set(flags))
