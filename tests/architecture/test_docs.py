"""What is promised is in the documents, and what is in them is promised."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runt.group import VERBS
from runtimed.api.error_tree import tree
from runtimed.api.registry import REGISTRY
from runtimed.config import reference, settings

if TYPE_CHECKING:
    from runtimed.api.errors import ApiError

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SETTINGS = settings()
#: Variables that are read elsewhere than in `runtimed.config`.
VARIABLES = re.compile(r"\b(?:RUNTIMED|RUNT)_[A-Z][A-Z_]+\b")


@functools.cache
def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def mentions(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])", text) is not None


@pytest.mark.parametrize("method", sorted(REGISTRY))
def test_every_method_is_documented(method: str) -> None:
    assert mentions(page("api.md"), method)


@pytest.mark.parametrize("error", tree(), ids=lambda error: error.__name__)
def test_every_error_is_documented_with_its_code(error: type[ApiError]) -> None:
    rows = [line for line in page("errors.md").splitlines() if mentions(line, error.__name__)]
    assert rows
    assert any(str(error.code) in row for row in rows)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    assert mentions(page("cli.md"), f"runt {verb}")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    variable = f"RUNTIMED_{name.upper()}"
    rows = [line for line in page("settings.md").splitlines() if mentions(line, variable)]
    assert len(rows) == 1, f"{variable} has {len(rows)} rows in settings.md"
    setting = SETTINGS[name]
    assert f"| {setting.show(setting.default)} |" in rows[0]
    assert setting.about in rows[0]
    assert ("*Restart.*" in rows[0]) == setting.needs_restart


def test_the_page_of_the_settings_is_what_they_say() -> None:
    assert page("settings.md") == reference.page(), (
        "python -m runtimed.config.reference > docs/reference/settings.md"
    )


def test_every_variable_that_the_code_reads_is_documented() -> None:
    source = "\n".join(
        path.read_text() for top in ("runtimed", "runt") for path in (ROOT / top).rglob("*.py")
    )
    read = set(VARIABLES.findall(source))
    assert "RUNTIMED_SOCKET" in read
    assert not {variable for variable in read if not mentions(page("settings.md"), variable)}


def test_no_variable_is_documented_twice() -> None:
    rows = re.findall(r"^\| `((?:RUNT|NO_)[A-Z_]+)` \|", page("settings.md"), re.MULTILINE)
    assert "RUNTIMED_SOCKET" in rows
    assert len(rows) == len(set(rows))


def test_no_setting_is_documented_that_does_not_exist() -> None:
    source = "\n".join(
        path.read_text() for top in ("runtimed", "runt") for path in (ROOT / top).rglob("*.py")
    )
    known = {f"RUNTIMED_{name.upper()}" for name in SETTINGS} | set(VARIABLES.findall(source))
    assert set(VARIABLES.findall(page("settings.md"))) <= known


def links() -> list[tuple[str, str]]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [
        (str(path.relative_to(ROOT)), target)
        for path in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
        if "://" not in target and not target.startswith("mailto:")
    ]


@pytest.mark.parametrize(("path", "target"), links())
def test_links_between_pages_lead_somewhere(path: str, target: str) -> None:
    assert ((ROOT / path).parent / target).exists()


def test_every_page_is_to_be_found_from_the_first() -> None:
    docs = ROOT / "docs"
    targets = {target for path, target in links() if path == "docs/README.md"}
    found = {(docs / target).resolve() for target in targets}
    assert {path for path in docs.rglob("*.md") if path != docs / "README.md"} <= found


@pytest.mark.parametrize(("example", "lines"), [("notebook_app.py", 100), ("repl.py", 60)])
def test_an_example_is_as_small_as_the_readme_says(example: str, lines: int) -> None:
    assert f"(examples/{example}) in {lines}" in (ROOT / "README.md").read_text()
    assert len((ROOT / "examples" / example).read_text().splitlines()) <= lines
