"""docs/reference/database.md, against the schemas as SQLite reads them."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import apsw
import pytest

from runtimed.store import reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "database.md"


def test_the_committed_page_is_what_the_schemas_say() -> None:
    assert PAGE.read_text("utf-8") == reference.page(), (
        "python -m runtimed.store.reference > docs/reference/database.md"
    )


@pytest.mark.parametrize(
    ("file", "schema"), [("runtimed.db", "schema.sql"), ("search.db", "search_schema.sql")]
)
def test_it_has_every_table_column_and_index(file: str, schema: str) -> None:
    (part,) = re.findall(
        rf"^## {re.escape(file)}\n(.*?)(?=^## |\Z)", reference.page(), re.MULTILINE | re.DOTALL
    )
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", part, re.MULTILINE | re.DOTALL))
    db = apsw.Connection(":memory:")
    db.execute(resources.files("runtimed.store").joinpath(schema).read_text("utf-8"))
    kinds = {name: kind for _, name, kind, *_ in db.execute("PRAGMA main.table_list")}
    tables = {name for name, kind in kinds.items() if kind in ("table", "virtual")}
    assert set(sections) == {name for name in tables if not name.startswith("sqlite_")}
    for name, text in sections.items():
        found = {column for _, column, *_ in db.execute(f"PRAGMA table_info({name})")}
        assert {
            column for column in found if f"`{column}" in text or f", {column}" in text
        } == found
        described = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
        assert described == (found if kinds[name] == "table" else set())
    names = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    indexes = list(db.execute(names))
    assert all(f"\n- `{index}`:" in sections[table] for table, index in indexes)
    db.close()


def test_comments_are_in_it() -> None:
    page = reference.page()
    assert "Every change, in the one order of all changes." in page
    assert "| `outputs_removed_json` | TEXT | What retention has removed" in page
