"""The tools as models without MCP are told of them: what their APIs take as ``tools``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtimed.mcp.definitions import Tool

#: What strict decoding does not take everywhere, and how a description says it.
_SAID = {
    "minimum": "At least {}.",
    "maximum": "At most {}.",
    "minLength": None,
    "maxLength": "At most {} characters.",
    "default": "Null means {}.",
}


def openai(tools: Iterable[Tool], *, strict: bool = False) -> list[dict[str, Any]]:
    """Return the tools for Chat Completions, and for whatever speaks it: Ollama, vLLM, llama.cpp.

    https://platform.openai.com/docs/guides/function-calling
    """
    return [
        {"type": "function", "function": {"name": name, **rest}}
        for name, rest in _functions(tools, strict=strict)
    ]


def openai_responses(tools: Iterable[Tool], *, strict: bool = False) -> list[dict[str, Any]]:
    """Return the tools for OpenAI's Responses, which has them flat.

    There, what says nothing of ``strict`` is made strict, so it is said.
    """
    return [
        {"type": "function", "name": name, **rest, "strict": strict}
        for name, rest in _functions(tools, strict=strict)
    ]


def anthropic(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Return the tools for Anthropic's Messages."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema()}
        for tool in tools
    ]


def neutral(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Return the tools with all that is known of them, in MCP's words."""
    return [
        {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.schema(),
            "annotations": {
                "readOnlyHint": tool.reads_only,
                "destructiveHint": tool.destroys,
                "idempotentHint": tool.is_idempotent,
                "openWorldHint": tool.is_open_world,
            },
        }
        for tool in tools
    ]


def _functions(tools: Iterable[Tool], *, strict: bool) -> Iterable[tuple[str, dict[str, Any]]]:
    for tool in tools:
        schema = _strict(tool.schema()) if strict else tool.schema()
        rest: dict[str, Any] = {"description": tool.description, "parameters": schema}
        yield tool.name, rest | {"strict": True} if strict else rest


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in which every argument is required; null is what is left out."""
    required = schema["required"]
    properties = {
        name: _said(each, is_optional=name not in required)
        for name, each in schema["properties"].items()
    }
    return {**schema, "properties": properties, "required": list(properties)}


def _said(schema: dict[str, Any], *, is_optional: bool) -> dict[str, Any]:
    """Return the schema of an argument with its bounds in words."""
    kept = {key: value for key, value in schema.items() if key not in _SAID}
    words = [kept["description"]] if "description" in kept else []
    for key, phrase in _SAID.items():
        if phrase is not None and key in schema:
            words.append(phrase.format(json.dumps(schema[key])))
    if words:
        kept["description"] = " ".join(words)
    if is_optional:
        kept["type"] = [kept["type"], "null"]
        if "enum" in kept:
            kept["enum"] = [*kept["enum"], None]
    return kept


#: By the name that `runt tools --format` takes; Anthropic's strict decoding takes no 31 optional
#: arguments (24, or 16 that may be null), so there is no strict form of ours for it.
FORMATS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "openai": openai,
    "openai-responses": openai_responses,
    "anthropic": anthropic,
}
STRICT = ("openai", "openai-responses")
