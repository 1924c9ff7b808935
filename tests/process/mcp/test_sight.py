"""An agent sees what it started or was given; of all else not even whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mcp.shared.exceptions import MCPError

from tests.harness.daemon import runt
from tests.harness.mcp_client import LAST_SESSIONS, LATEST, fail, mcp_client, say

if TYPE_CHECKING:
    from mcp.client.client import Client

    from tests.harness.daemon import Daemon, State

_SECRET = "the_secret_of_the_person"


@pytest.fixture(scope="module")
def persons(daemon: Daemon) -> tuple[str, str]:
    """Return a person's runtime and execution, by their ids."""
    runtime = daemon.call("runtime.start", name="private-notebook")
    execution = daemon.call(
        "execution.eval", runtime=runtime["id"], code=f"{_SECRET} = 1\nprint('{_SECRET}')"
    )
    return runtime["id"], execution["id"]


async def _assert_unseen(client: Client, runtime: str, execution: str) -> None:
    """Assert that whatever is asked, the answer is that of what is not there."""
    nothing = "01ZZZZZZZZZZZZZZZZZZZZZZZZ"
    for name in ("private-notebook", runtime, runtime[-8:].lower(), "private"):
        for tool in ("stop_runtime", "list_variables"):
            refused = await fail(client, tool, runtime=name)
            absent = await fail(client, tool, runtime=nothing)
            assert refused.replace(name, "") == absent.replace(nothing, "")
        assert name in await fail(client, "run_code", runtime=name, code="1")
        assert name in await fail(client, "search_history", runtime=name)
    for name in (execution, execution[-8:].lower()):
        for tool in ("get_output", "wait_execution", "interrupt_execution", "send_input"):
            refused = await fail(client, tool, execution=name)
            absent = await fail(client, tool, execution=nothing)
            assert refused.replace(name, "") == absent.replace(nothing, "")
        assert name in await fail(client, "search_history", before=name)
    assert "private-notebook" not in await say(client, "list_runtimes", all=True)
    assert _SECRET not in await say(client, "search_history")
    assert _SECRET not in await say(client, "search_history", query=_SECRET)
    uris = [f"runtimed://runtimes/{runtime}", f"runtimed://executions/{execution}"]
    listed = [str(each.uri) for each in (await client.list_resources()).resources]
    assert not set(uris) & set(listed)
    for uri in uris:
        with pytest.raises(MCPError, match="There is no resource"):
            await client.read_resource(uri)


@pytest.mark.parametrize("revision", [LAST_SESSIONS, LATEST])
async def test_a_persons_history_is_theirs_until_they_share_it(
    state: State, persons: tuple[str, str], revision: str
) -> None:
    runtime, execution = persons
    async with mcp_client(state, revision) as client:
        await _assert_unseen(client, runtime, execution)
        assert runt(state, "share", runtime).returncode == 0
        assert "private-notebook" in await say(client, "list_runtimes")
        assert _SECRET in await say(client, "search_history", query=_SECRET)
        assert _SECRET in await say(client, "get_output", execution=execution)
        assert _SECRET in await say(client, "list_variables", runtime="private-notebook")
        assert runt(state, "share", "--off", runtime).returncode == 0
        await _assert_unseen(client, runtime, execution)


async def test_what_is_given_by_name_is_seen(state: State, persons: tuple[str, str]) -> None:
    runtime, execution = persons
    async with mcp_client(state, LATEST, "--runtime", "private-notebook") as client:
        assert _SECRET in await say(client, "get_output", execution=execution)
        assert "given to you" in await say(client, "list_runtimes")
    async with mcp_client(state, LATEST, "--all") as client:
        assert _SECRET in await say(client, "get_output", execution=execution)
    async with mcp_client(state, LATEST, "--runtime", runtime[-8:].lower()) as client:
        assert "given to you" in await say(client, "list_runtimes")
    async with mcp_client(state, LATEST, "--runtime", "private") as client:  # a prefix is no name
        await _assert_unseen(client, runtime, execution)
    async with mcp_client(state, LATEST, "--runtime", "nobody's") as client:
        await _assert_unseen(client, runtime, execution)


async def test_one_agent_does_not_see_anothers(state: State, daemon: Daemon) -> None:
    async with mcp_client(state, name="first") as first:
        await say(first, "start_runtime", name="of-the-first")
        await say(first, "run_code", code=f"'{_SECRET}'", runtime="of-the-first")
        async with mcp_client(state, name="second") as second:
            assert "none that you may use" in await say(second, "list_runtimes")
            assert "Nothing" in await say(second, "search_history")
        async with mcp_client(state, LATEST, "--agent", "first", name="second") as again:
            assert "of-the-first" in await say(again, "list_runtimes")
        assert "stopped" in await say(first, "stop_runtime", runtime="of-the-first")
        assert "dead already" in await say(first, "stop_runtime", runtime="of-the-first")
        # Its output outlives it.
        assert _SECRET in await say(first, "search_history", query=_SECRET)


async def test_a_project_has_one_runtime(state: State, daemon: Daemon) -> None:
    options = ("--project", str(state.project))
    async with mcp_client(state, LATEST, *options) as client:
        await say(client, "run_code", code="x = 1")
        assert "\n1" in await say(client, "run_code", code="x")
    assert runt(state, "eval", "x").stdout == "1\n"  # the person's, in the same place
    async with mcp_client(state, LATEST, *options, name="another") as client:
        assert "\n1" in await say(client, "run_code", code="x")
    async with mcp_client(state) as client:  # its directory is not its project
        said = await say(client, "run_code", code="import os; os.getcwd()")
        assert f"'{state.home}'" in said and "It is a new runtime: pass runtime=" in said


async def test_of_a_project_only_the_one_that_eval_finds_is_given(
    state: State, daemon: Daemon
) -> None:
    project = str(state.project)
    for name in ("from-start", "of-a-notebook"):
        runtime = daemon.call("runtime.start", name=name, project=project, cwd=project)
        assert runtime["project"] == project and not runtime["implicit"]
        daemon.call("execution.eval", runtime=runtime["id"], code="'the_salary'")
    async with mcp_client(state, LATEST, "--project", project) as client:
        assert "'mine'" in await say(client, "run_code", code="'mine'")
        listed = await say(client, "list_runtimes")
        assert "from-start" not in listed and "of-a-notebook" not in listed
        assert "the_salary" not in await say(client, "search_history")
        assert "No runtime" in await fail(client, "run_code", code="1", runtime="from-start")


async def test_read_only_changes_nothing(state: State, persons: tuple[str, str]) -> None:
    async with mcp_client(state, LATEST, "--read-only", "--all") as client:
        tools = (await client.list_tools()).tools
        assert all(t.annotations and t.annotations.read_only_hint for t in tools)
        assert len(tools) == 5
        for tool in ("run_code", "start_runtime", "stop_runtime", "send_input"):
            assert "read only" in await fail(client, tool, code="1", runtime=persons[0])
        assert _SECRET in await say(client, "get_output", execution=persons[1])


async def test_what_cannot_be_started_says_what_can(state: State, daemon: Daemon) -> None:
    async with mcp_client(state, name="starter") as client:
        assert "There are: " in await fail(client, "start_runtime", kernel="no-such-kernel")
        refused = await fail(client, "start_runtime", dependencies=["--index-url x"])
        assert "is an option of an installer" in refused
        assert "does not exist" in await fail(client, "start_runtime", cwd="/no/such/directory")
        died = await fail(client, "run_code", code="import os; os._exit(3)")
        assert "the kernel died" in died and "It is a new runtime" not in died
        await say(client, "start_runtime", name="one-name")
        assert "one-name" in await fail(client, "start_runtime", name="one-name")


async def test_a_name_that_is_taken_tells_nothing_of_who_has_it(
    state: State, daemon: Daemon
) -> None:
    unseen = daemon.call("runtime.start", name="secret-merger")
    async with mcp_client(state, name="namer") as client:
        await say(client, "start_runtime", name="of-my-own")
        own = await fail(client, "start_runtime", name="of-my-own")
        for name in ("secret-merger", str(unseen["pid"]), unseen["short_id"]):
            said = await fail(client, "start_runtime", name=name)
            assert said.replace(name, "") == own.replace("of-my-own", "")
