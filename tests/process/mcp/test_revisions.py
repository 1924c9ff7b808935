"""The SDK's client at each revision: the same tools, the same words, images that can be seen."""

from __future__ import annotations

import io
from base64 import b64decode
from typing import TYPE_CHECKING

import mcp_types as types
import pytest
from PIL import Image

from runtimed import __version__
from runtimed.mcp.definitions import TOOLS
from tests.harness.mcp_client import REVISIONS, execution_in, fail, mcp_client, say, text_of

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

_PLOT = """
import io
from base64 import b64encode
from struct import pack
from zlib import compress, crc32
from IPython.display import display

def chunk(kind, data):
    return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

side = 3000
rows = compress(b"".join(b"\\0" + b"\\xff\\x00\\x00" * side for _ in range(side)))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
png += chunk(b"IDAT", rows) + chunk(b"IEND", b"")
print("\\x1b[31mred\\x1b[0m")
display({"image/png": b64encode(png).decode(), "text/plain": "a plot"}, raw=True)
"""


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_model_runs_code_and_sees_what_it_draws(
    state: State, shared: str, revision: str
) -> None:
    async with mcp_client(state, revision) as client:
        assert client.protocol_version == revision
        if client.server_info is not None:
            assert (client.server_info.name, client.server_info.version) == (
                *("runtimed", __version__),
            )
        said = await say(client, "run_code", code="x = 6 * 7\nx", runtime=shared)
        assert said.splitlines()[0].endswith(f"runtime {shared}") and "done in" in said
        assert said.splitlines()[1] == "42"
        assert "43" in await say(client, "run_code", code="x + 1", runtime=shared)

        result = await client.call_tool("run_code", {"code": _PLOT, "runtime": shared})
        assert result.structured_content is None
        text, image = result.content
        assert isinstance(text, types.TextContent) and isinstance(image, types.ImageContent)
        assert "\x1b" not in text.text and "red" in text.text and "3000×3000" in text.text
        assert len(text.text) < 500  # no base64 in it
        with Image.open(io.BytesIO(b64decode(image.data))) as picture:
            assert max(picture.size) == 1568
            assert image.mime_type == f"image/{(picture.format or '').lower()}"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_tools_are_listed_in_one_order_with_what_they_may_do(
    state: State, daemon: Daemon, revision: str
) -> None:
    async with mcp_client(state, revision) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == [tool.name for tool in TOOLS]
    hints = {tool.name: tool.annotations for tool in tools}
    assert all(tool.output_schema is None for tool in tools)
    if revision != REVISIONS[0]:  # annotations came with the second
        reads = {name for name, hint in hints.items() if hint is not None and hint.read_only_hint}
        assert reads == {
            *("get_output", "wait_execution", "list_runtimes", "list_variables"),
            "search_history",
        }
    assert sum(len(tool.description or "") for tool in tools) < 4000  # each turn pays for it


async def test_what_raises_is_an_error_with_the_frames_that_matter(
    state: State, shared: str
) -> None:
    code = "def inner():\n    return {}['missing']\ninner()"
    async with mcp_client(state) as client:
        said = await fail(client, "run_code", code=code, runtime=shared)
        assert "error after" in said and "KeyError: 'missing'" in said and "\x1b" not in said
        execution = execution_in(said)
        # It was asked for, so it is no failure to show it.
        whole = await say(client, "get_output", execution=execution, traceback="full")
        assert "KeyError: 'missing'" in whole and len(whole) >= len(said)


async def test_a_long_print_is_cut_and_the_rest_can_be_had(state: State, shared: str) -> None:
    code = "for i in range(5000): print('line', i)"
    async with mcp_client(state) as client:
        said = await say(client, "run_code", code=code, runtime=shared, max_chars="2000")
        assert len(said) <= 2000 and "line 0\n" in said and "line 4999" in said
        execution = execution_in(said)
        assert f"get_output(execution='{execution}'" in said

        lines: list[str] = []
        cursor = 0
        while len(lines) < 5000:
            page = await say(
                *(client, "get_output"), execution=execution, cursor=cursor, max_chars=20_000
            )
            shown = [line for line in page.splitlines() if line.startswith("line ")]
            assert shown
            lines += shown
            cursor = len(lines)
        assert lines == [f"line {i}" for i in range(5000)]

        tail = await say(client, "get_output", execution=execution, tail=2)
        assert tail.splitlines()[-2:] == ["line 4998", "line 4999"]
        found = await say(client, "get_output", execution=execution, grep="line 42$")
        assert found.splitlines()[1:] == ["line 42"]
        none = await say(client, "get_output", execution=execution, grep="nothing")
        assert "No line matches 'nothing'" in none and "5000 lines" in none


async def test_hostile_arguments_are_refused_in_a_sentence(state: State, shared: str) -> None:
    async with mcp_client(state) as client:
        assert "did you mean `code`?" in await fail(client, "run_code", source="1")
        assert "needs `code`" in await fail(client, "run_code", code=None)
        assert "`wait_s` cannot be" in await fail(client, "run_code", code="1", wait_s="soon")
        assert "Did you mean run_code?" in text_of(await client.call_tool("run_cod", {}))
        for reference in ("../x", "' OR 1=1 --", "\x00", "x" * 10_000, "%", "*", ""):
            refused = await fail(client, "get_output", execution=reference)
            assert len(refused) < 300 and refused.isprintable()
            assert await fail(client, "run_code", code="1", runtime=reference)
        huge = "x" * 1_000_000
        assert "1000000" in await say(client, "run_code", code=f"len('{huge}')", runtime=shared)
        deep: list[object] = []
        for _ in range(20):
            deep = [deep]
        assert await fail(client, "start_runtime", dependencies=deep)
        assert "42" in await say(client, "run_code", code="42", runtime=shared)
