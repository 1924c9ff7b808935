"""How large the parts may be, and what they may not be called."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted([*(ROOT / "runtimed").rglob("*.py"), *(ROOT / "runt").rglob("*.py")])
MAX_LINES = 400
MAX_MEDIAN_LINES = 150
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
#: Names that say nothing about what is inside.
SAY_NOTHING = {"utils", "util", "helpers", "common", "manager", "misc"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_is_something_to_look_at() -> None:
    assert len(PRODUCT) > 30


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_module_fits_in_the_head(path: Path) -> None:
    assert lines(path) <= MAX_LINES
    assert path.stem not in SAY_NOTHING


def test_most_modules_are_small() -> None:
    assert statistics.median(map(lines, PRODUCT)) < MAX_MEDIAN_LINES


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    too_long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in functions(path)
        if function.end_lineno and function.end_lineno - function.lineno >= MAX_FUNCTION_LINES
    ]
    assert not too_long


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_parameter_lists_are_short(path: Path) -> None:
    too_many = []
    for function in functions(path):
        given = function.args
        count = len([*given.posonlyargs, *given.args, *given.kwonlyargs])
        is_method = bool(given.args) and given.args[0].arg in ("self", "cls")
        if count - is_method > MAX_PARAMETERS:
            too_many.append(f"{function.name}: {count - is_method}")
    # A click command has a parameter for each option: that is click's way, not a design.
    if path.parent.name != "commands":
        assert not too_many


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
