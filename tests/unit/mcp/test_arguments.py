"""Arguments as models write them."""

from __future__ import annotations

import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.mcp.arguments import BadArguments, known, parse
from runtimed.mcp.definitions import BY_NAME, TOOLS, offered

_RUN = BY_NAME["run_code"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"code": "1", "wait_s": "5"}, {"wait_s": 5.0}),
        ({"code": "1", "wait_s": "0.5"}, {"wait_s": 0.5}),
        ({"code": "1", "wait_s": 7200}, {"wait_s": 3600.0}),
        ({"code": "1", "wait_s": -1}, {"wait_s": 0.0}),
        ({"code": "1", "wait_s": None}, {"wait_s": 25.0}),
        ({"code": "1", "max_chars": "4e3"}, {"max_chars": 4000}),
        ({"code": "1", "max_chars": 4000.0}, {"max_chars": 4000}),
        ({"code": "1", "max_chars": 1}, {"max_chars": 500}),
        ({"code": 1}, {"code": "1"}),
        ({"code": True}, {"code": "true"}),
        ('{"code": "1"}', {"code": "1"}),
        ({"code": "1", "dependencies": "pandas, numpy"}, {"dependencies": ["pandas", "numpy"]}),
        (
            {"code": "1", "dependencies": "pandas[excel,aws]>=2,<3, six"},
            {"dependencies": ["pandas[excel,aws]>=2,<3", "six"]},
        ),
        ({"code": "1", "dependencies": '["six"]'}, {"dependencies": ["six"]}),
        ({"code": "1", "dependencies": None}, {"dependencies": None}),
    ],
)
def test_what_is_meant_is_taken(raw: object, expected: dict[str, Any]) -> None:
    parsed = parse(_RUN, raw)
    for name, value in expected.items():
        assert getattr(parsed, name) == value
        assert type(getattr(parsed, name)) is type(value)


@pytest.mark.parametrize(
    ("tool", "raw", "words"),
    [
        ("run_code", {"source": "1"}, "did you mean `code`?"),
        ("run_code", {"code": "1", "timeout": 5}, "did you mean `wait_s`?"),
        ("run_code", {"code": "1", "max_char": 5}, "did you mean `max_chars`?"),
        ("run_code", {"code": "1", "zzz": 5}, "It takes `code`, `runtime`"),
        ("run_code", {}, "run_code needs `code`: string. The source"),
        ("run_code", None, "needs `code`"),
        ("run_code", "print(1)", "takes an object of named arguments"),
        ("run_code", {"code": "1", "wait_s": "soon"}, '`wait_s` cannot be "soon": number from 0'),
        ("run_code", {"code": "1", "wait_s": math.nan}, "`wait_s` cannot be"),
        ("run_code", {"code": "1", "max_chars": True}, "`max_chars` cannot be"),
        ("run_code", {"code": ["1"]}, "`code` does not fit"),
        ("run_code", {"code": "\ud800"}, "a surrogate"),
        ("run_code", {"code": "1", "dependencies": ["six", "\ud800"]}, "a surrogate"),
        ("run_code", {"code": "1", "\ud800": "1"}, "`\\ud800`. It takes `code`"),
        ("run_code", {"code": "1", "dependencies": [1]}, "`dependencies` does not fit"),
        ("get_output", {"execution": "x", "traceback": "ful"}, "one of full, trimmed"),
        ("get_output", {"execution": "x", "tail": 1.5}, "`tail` cannot be 1.5"),
        ("send_input", {"execution": "x", "eof": "maybe"}, '`eof` cannot be "maybe"'),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(tool: str, raw: object, words: str) -> None:
    with pytest.raises(BadArguments) as refused:
        parse(BY_NAME[tool], raw)
    assert words in str(refused.value)
    assert str(refused.value).startswith(tool)


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(BadArguments, match="Did you mean run_code"):
        known("runcode")
    with pytest.raises(BadArguments, match="The tools are run_code, get_output"):
        known("x" * 1000)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(TOOLS), st.data())
def test_whatever_comes_is_taken_or_refused(tool: Any, data: st.DataObject) -> None:
    names = st.sampled_from([*tool.schema()["properties"], "other"])
    raw = data.draw(st.dictionaries(names, _ANYTHING, max_size=4) | _ANYTHING)
    try:
        parsed = parse(tool, raw)
    except BadArguments as refused:
        assert str(refused)
    else:
        assert isinstance(parsed, tool.arguments)


def test_schemas_are_plain() -> None:
    for tool in TOOLS:
        schema = tool.schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False
        assert not {"$ref", "anyOf", "$defs"} & set(str(schema).replace("'", " ").split())
        for name, each in schema["properties"].items():
            assert each["type"] in ("string", "integer", "number", "boolean", "array"), name
    assert [tool.name for tool in offered(read_only=True)] == [
        *("get_output", "wait_execution", "list_runtimes", "list_variables", "search_history"),
    ]
