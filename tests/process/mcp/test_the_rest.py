"""What an answer has left out: the call that it names returns something else, to the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.harness.mcp_client import execution_in, fail, mcp_client, say

if TYPE_CHECKING:
    from tests.harness.daemon import State


def _named(text: str) -> dict[str, Any]:
    """Return the arguments of the get_output that an answer names."""
    ((execution, cursor),) = re.findall(r"get_output\(execution='(\w+)', cursor=(\d+)\)", text)
    return {"execution": execution, "cursor": int(cursor)}


async def test_the_way_to_the_rest_leads_to_the_end(state: State, shared: str) -> None:
    code = "for i in range(3000): print('line number', i)"
    async with mcp_client(state) as client:
        said = await say(client, "run_code", code=code, runtime=shared)
        found: list[int] = []
        for _ in range(20):
            if "get_output(" not in said:
                break
            said = await say(client, "get_output", **_named(said))
            assert len(said) <= 8000
            found += map(int, re.findall(r"^line number (\d+)$", said, re.MULTILINE))
        assert found == list(range(3000))


async def test_the_whole_of_a_line_that_is_longer_than_an_answer(state: State, shared: str) -> None:
    async with mcp_client(state) as client:
        said = await say(client, "run_code", code="print('x' * 300_000)", runtime=shared)
        named = _named(said)
        said = await say(client, "get_output", **named)
        (wanted,) = re.findall(r"the same call with max_chars=(\d+)", said)
        assert "x" * 300_000 in await say(client, "get_output", **named, max_chars=int(wanted))


async def test_a_long_prompt_is_within_the_answer(state: State, shared: str) -> None:
    async with mcp_client(state) as client:
        code = "print('x\\n' * 500)\nprint(input('\\x1b[31m' + 'p' * 200_000))"
        said = await say(client, "run_code", code=code, runtime=shared, max_chars=1000)
        assert "send_input" in said and len(said) <= 1000 and "x1b" not in said
        waiting = execution_in(said)
        for more in ({}, {"cursor": 0}, {"tail": 3}, {"grep": "x"}, {"grep": "y" * 900}):
            arguments: dict[str, Any] = {"execution": waiting, "max_chars": 500, **more}
            said = await say(client, "get_output", **arguments)
            assert "waiting for input" in said and len(said) <= 500
        # What is queued behind it names what there is to do.
        said = await say(client, "run_code", code="1", runtime=shared, max_chars=1, wait_s=0)
        assert f"get_output(execution='{waiting}')" in said and len(said) <= 500
        await say(client, "send_input", execution=waiting, value="")


async def test_names_and_notes_are_within_the_answer(state: State, shared: str) -> None:
    name = "n" * 200
    async with mcp_client(state) as client:
        await say(client, "start_runtime", name=name)
        code = "import sys; print('x\\n' * 500); sys.exit('because ' * 500)"
        said = await fail(client, "run_code", code=code, runtime=name, max_chars=500)
        assert len(said) <= 500 and said.startswith("execution ")
        for execution in (execution_in(said), f"execution {execution_in(said)} · done in 2 s"):
            said = await say(client, "get_output", execution=execution, tail=1, max_chars=500)
            assert len(said) <= 500
        await say(client, "stop_runtime", runtime=name)


async def test_a_tail_is_as_many_lines_as_were_asked_for(state: State, shared: str) -> None:
    async with mcp_client(state) as client:
        code = "print('first\\nsecond', end='', flush=True); input()"
        waiting = execution_in(await say(client, "run_code", code=code, runtime=shared))
        said = await say(client, "get_output", execution=waiting, tail=1)
        assert "second" in said and "first" not in said
        await say(client, "send_input", execution=waiting, value="")
        code = "for n in range(30_000): print('line', n)"
        many = execution_in(await say(client, "run_code", code=code, runtime=shared))
        for grep in ({}, {"grep": "line"}):
            asked = {"execution": many, "tail": 20_000, "max_chars": 500, **grep}
            lines = (await say(client, "get_output", **asked)).splitlines()
            shown = [line for line in lines if line.startswith("line ")]
            assert shown == [f"line {n}" for n in range(30_000 - len(shown), 30_000)]
            said = "of those that match, of" if grep else "of"
            assert f"… the last {len(shown)} {said} 30000 lines:" in lines


async def test_of_a_dead_runtime_it_is_said_what_begins_anew(state: State, shared: str) -> None:
    async with mcp_client(state) as client:
        await say(client, "start_runtime", name="soon-dead")
        await say(client, "stop_runtime", runtime="soon-dead")
        said = await fail(client, "run_code", code="1", runtime="soon-dead")
        assert "run_code without `runtime`, or start_runtime" in said
