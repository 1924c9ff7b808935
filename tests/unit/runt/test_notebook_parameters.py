"""Parameters of `runt notebook run`: what words stand for, where they go, in which language."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runt.failures import NotFoundFailure, UsageFailure
from runt.notebook_run.languages import assignments
from runt.notebook_run.parameters import collected, inject, tags, typed_value

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TRICKY = {"q": "a'b\"c", "n": "x\ny", "d": "$HOME `id` \\ é", "i": -3, "f": 0.5, "t": True}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1),
        ("-2", -2),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("True", True),
        ("false", False),
        ("None", None),
        ("null", None),
        ('[1, "a"]', [1, "a"]),
        ('{"a": null}', {"a": None}),
        ("[open", "[open"),
        ("tRuE", "tRuE"),
        ("1.2.3", "1.2.3"),
        ("2026-01-31", "2026-01-31"),
        ("", ""),
    ],
)
def test_words(word: str, value: object) -> None:
    assert (typed_value(word), type(typed_value(word))) == (value, type(value))


def test_files_come_first_and_raw_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\nb: [1, {c: yes}]\nd: 2026-01-31\n")
    (tmp_path / "b.json").write_text('{"a": 2, "e": "x"}')
    files = [str(tmp_path / "a.yaml"), str(tmp_path / "b.json")]
    found = collected(files, [("e", "3")], [("f", "3")])
    assert found == {"a": 2, "b": [1, {"c": True}], "d": "2026-01-31", "e": 3, "f": "3"}
    (tmp_path / "a.yaml").write_text("- 1")
    for file, failure in (("a.yaml", UsageFailure), ("none", NotFoundFailure), (".", UsageFailure)):
        with pytest.raises(failure):
            collected([str(tmp_path / file)], [], [])


def cell(source: str, *names: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(names)}}


def test_where_they_go() -> None:
    cells = [cell("1"), cell("n = 1", "x", "parameters"), cell("2")]
    inject(cells, {}, "python")
    assert len(cells) == 3
    inject(cells, {"n": 2}, "python")
    assert [c["source"] for c in cells] == ["1", "n = 1", "# Parameters\nn = 2", "2"]
    assert tags(cells[2]) == ["injected-parameters"]
    inject(cells, {"n": 3}, "python")  # in place of the one before
    assert [c["source"] for c in cells] == ["1", "n = 1", "# Parameters\nn = 3", "2"]
    untagged = [cell("1")]
    inject(untagged, {"n": 2}, "python")
    assert tags(untagged[0]) == ["injected-parameters"]


@given(JSON)
def test_python_reads_what_was_given(value: Any) -> None:
    scope: dict[str, Any] = {}
    exec(assignments("Python", {"value": value}), scope)
    assert same(scope["value"], value)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return bool(one == other) and type(one) is type(other)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_bash_reads_what_was_given() -> None:
    code = assignments("bash", {**TRICKY, "none": None, "list": ["a b", 1]})
    echo = "".join(f'printf "%s\\0" "${name}"; ' for name in (*TRICKY, "none"))
    printed = output("bash", "-c", f'{code}\n{echo}printf "%s\\0" "${{list[@]}}"').split("\0")
    assert printed == [*map(str, list(TRICKY.values())[:-1]), "true", "", "a b", "1", ""]
    with pytest.raises(UsageFailure, match="object"):
        assignments("bash", {"a": {"b": 1}})


def test_typescript_reads_what_was_given() -> None:
    values = {**TRICKY, "none": None, "list": [1, {"a b": "c"}]}
    names = ", ".join(values)
    code = f"{assignments('TypeScript', values)}\nconsole.log(JSON.stringify({{{names}}}))"
    assert (
        json.loads(output(os.path.join(os.path.dirname(sys.executable), "deno"), "eval", code))
        == values
    )


def test_r_reads_what_was_given() -> None:
    code = assignments("R", {**TRICKY, "none": None, "list": [1, {"a b": "c"}]})
    shown = output("Rscript", "-e", f'{code}\ncat(q, n, d, i + f, t, list[[2]][["a b"]], sep="|")')
    assert shown == "a'b\"c|x\ny|$HOME `id` \\ é|-2.5|TRUE|c"


def test_julia_is_written() -> None:
    code = assignments("julia", {"a": "$x", "b": [True, None], "c": {"k": math.inf}})
    assert code.splitlines()[1:] == ['a = "\\$x"', "b = [true, nothing]", 'c = Dict("k" => Inf)']


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(UsageFailure, match="not in cobol"):
        assignments("cobol", {"a": 1})
    for name in ("a b", "1a", "a;b", "", "a.b", "a\n"):
        with pytest.raises(UsageFailure, match="name of a parameter"):
            assignments("python", {name: 1})


@pytest.mark.parametrize(
    ("language", "name"),
    [("python", "class"), ("bash", "é"), ("r", "_x"), ("r", "NULL"), ("javascript", "let")],
)
def test_a_name_that_the_language_does_not_take(language: str, name: str) -> None:
    with pytest.raises(UsageFailure, match=language):
        assignments(language, {name: 1})


def test_values_that_cannot_be_written() -> None:
    with pytest.raises(UsageFailure, match="empty"):
        assignments("r", {"x": {"": 1}})
    deep: Any = 1
    for _ in range(51):
        deep = {"a": [deep]} if isinstance(deep, list) else [deep]
    with pytest.raises(UsageFailure, match="levels"):
        assignments("python", {"x": deep})
