"""Answers and definitions as MCP's types."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import mcp_types as types

from runtimed.mcp.answer import Image
from runtimed.mcp.definitions import offered

if TYPE_CHECKING:
    from runtimed.mcp.answer import Answer
    from runtimed.mcp.definitions import Tool

#: The tools of one server never change: hosts may keep them for an hour.
_TTL_MS = 3_600_000
#: What Claude Code is told that one answer may have: `max_chars` is what bounds it.
_META = {"anthropic/maxResultSizeChars": 200_000}


def tool_list(*, read_only: bool) -> types.ListToolsResult:
    """Return the tools in their order."""
    tools = [_tool(tool) for tool in offered(read_only=read_only)]
    return types.ListToolsResult(tools=tools, ttl_ms=_TTL_MS, cache_scope="private")


def _tool(tool: Tool) -> types.Tool:
    has_budget = "max_chars" in tool.arguments.__struct_fields__
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.schema(),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads_only,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.is_idempotent,
            open_world_hint=tool.is_open_world,
        ),
        _meta=_META if has_budget else None,
    )


def tool_result(answer: Answer) -> types.CallToolResult:
    """Return an answer. Nothing structured stands beside it: hosts would drop the images."""
    content: list[types.ContentBlock] = [
        types.ImageContent(data=b64encode(block.data).decode("ascii"), mime_type=block.mime)
        if isinstance(block, Image)
        else types.TextContent(text=block.text)
        for block in answer.blocks
    ]
    return types.CallToolResult(content=content, is_error=answer.is_error)
