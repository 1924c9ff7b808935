"""The tools as the APIs of hosted and local models take them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runtimed.mcp.arguments import parse
from runtimed.mcp.definitions import BY_NAME, TOOLS, offered
from runtimed.mcp.schemas import FORMATS, STRICT, anthropic, neutral, openai, openai_responses

#: What OpenAI's strict decoding is known to take.
_TAKEN = {"type", "description", "enum", "items", "properties", "required", "additionalProperties"}


def functions(form: str, **how: Any) -> dict[str, dict[str, Any]]:
    """Return the schemas of the arguments by the tools' names."""
    found = {}
    for tool in FORMATS[form](TOOLS, **how):
        function = tool.get("function", tool)
        found[function["name"]] = function.get("parameters") or function["input_schema"]
    return found


@pytest.mark.parametrize("form", FORMATS)
def test_every_tool_is_there_in_its_order_with_a_valid_schema(form: str) -> None:
    found = functions(form)
    assert list(found) == [tool.name for tool in TOOLS]
    for name, schema in found.items():
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object" and schema["additionalProperties"] is False
        for key, each in schema["properties"].items():
            assert isinstance(each["type"], str), f"{name}.{key}: small models take one type"
            assert not {"anyOf", "$ref", "oneOf", "allOf"} & set(each)


def test_the_shapes() -> None:
    (chat, *_) = openai(TOOLS)
    assert set(chat) == {"type", "function"} and chat["type"] == "function"
    assert set(chat["function"]) == {"name", "description", "parameters"}
    (flat, *_) = openai_responses(TOOLS)
    assert set(flat) == {"type", "name", "description", "parameters", "strict"}
    assert flat["strict"] is False
    (message, *_) = anthropic(TOOLS)
    assert set(message) == {"name", "description", "input_schema"}
    assert openai(TOOLS, strict=True)[0]["function"]["strict"] is True
    assert [each["name"] for each in neutral(offered(read_only=True))] == [
        each["name"] for each in neutral(TOOLS) if each["annotations"]["readOnlyHint"]
    ]


@pytest.mark.parametrize("form", STRICT)
def test_strict_is_what_strict_decoding_takes(form: str) -> None:
    def keys(schema: Any) -> set[str]:
        nested = [*schema.get("properties", {}).values(), schema.get("items", {})]
        return set(schema).union(*map(keys, nested)) if schema else set()

    for name, schema in functions(form, strict=True).items():
        assert keys(schema) <= _TAKEN, name
        assert schema["required"] == list(schema["properties"])
        Draft202012Validator.check_schema(schema)


def test_null_for_all_that_is_optional_is_the_same_as_to_leave_it_out() -> None:
    """A strict model must say something of each argument."""
    for name, schema in functions("openai", strict=True).items():
        tool = BY_NAME[name]
        given = {
            key: None if "null" in each["type"] else "x"
            for key, each in schema["properties"].items()
        }
        Draft202012Validator(schema).validate(given)
        assert parse(tool, given) == parse(tool, {k: v for k, v in given.items() if v is not None})


def test_bounds_are_said_where_they_cannot_be_enforced() -> None:
    limit = functions("openai", strict=True)["search_history"]["properties"]["limit"]
    assert limit["description"] == "At least 1. At most 100. Null means 10."


def test_ten_tools_cost_less_than_three_thousand_tokens() -> None:
    """Every turn pays for them; a token is some four characters."""
    assert len(json.dumps(anthropic(TOOLS))) < 12_000
