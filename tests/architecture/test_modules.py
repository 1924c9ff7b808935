"""How large the parts may be, and what they may not be called. Each test lists the offenders."""

from __future__ import annotations

import ast
import functools
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PRODUCT = sorted([*(ROOT / "runtimed").rglob("*.py"), *(ROOT / "runt").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_LINES = 400
MAX_MEDIAN_LINES = 150
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
#: Names that say nothing about what is inside.
SAY_NOTHING = {"utils", "util", "helpers", "common", "manager", "misc"}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function of the product, with where it is."""
    for path in PRODUCT:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def test_there_is_something_to_look_at() -> None:
    assert len(PRODUCT) > 30
    assert any(True for _ in functions())


def test_a_module_fits_in_the_head() -> None:
    found = {str(path): lines(path) for path in [*PRODUCT, *TESTS]}
    assert not {path: count for path, count in found.items() if count > MAX_LINES}


def test_most_modules_are_small() -> None:
    assert statistics.median(map(lines, PRODUCT)) < MAX_MEDIAN_LINES


def test_a_name_says_something() -> None:
    assert not [path for path in PRODUCT if path.stem in SAY_NOTHING]


def test_every_module_says_what_it_is() -> None:
    assert not [path for path in PRODUCT if not ast.get_docstring(parsed(path))]


def test_a_function_fits_on_a_screen() -> None:
    lengths = {
        where: (function.end_lineno or 0) - function.lineno + 1 for where, function in functions()
    }
    assert not {where: n for where, n in lengths.items() if n > MAX_FUNCTION_LINES}


def test_parameter_lists_are_short() -> None:
    counts = {where: parameters(function) for where, function in functions()}
    assert not {where: n for where, n in counts.items() if n > MAX_PARAMETERS}


def test_only_paths_makes_directories() -> None:
    """It closes all that it makes; `os.makedirs` leaves those above the last one to the umask."""
    product = ROOT / "runtimed"
    may = {product / "paths.py", product / "api/schema.py"}  # this one writes the documents
    makers = {"makedirs", "mkdir", "copytree"}
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PRODUCT
        if path not in may
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in makers
    }
    assert not found


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count them, but for self. One that click calls has an option for each: that is its way."""
    if any("click" in ast.unparse(decorator) for decorator in function.decorator_list):
        return 0
    names = [
        argument.arg
        for argument in (
            *function.args.posonlyargs,
            *function.args.args,
            *function.args.kwonlyargs,
        )
    ]
    return len(names) - (names[:1] in (["self"], ["cls"]))
