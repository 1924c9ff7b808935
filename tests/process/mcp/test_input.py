"""``input()``: asked of the person where the protocol can, else said in words; never a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from tests.harness.daemon import runt
from tests.harness.mcp_client import LATEST, execution_in, fail, mcp_client, say, text_of

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

_ASKS = "a = input('First name: ')\nb = input('Last name: ')\nprint(f'Hello {a} {b}')"


class Person:
    """Who answers, in order; None declines."""

    def __init__(self, *replies: str | bool | None) -> None:
        self.replies = list(replies)
        self.asked: list[str] = []

    async def __call__(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append(params.message)
        reply = self.replies.pop(0)
        if reply is None:
            return types.ElicitResult(action="decline")
        name = "yes" if isinstance(reply, bool) else "value"
        return types.ElicitResult(action="accept", content={name: reply})


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25", LATEST])
async def test_the_person_is_asked_and_the_code_runs_once(
    state: State, shared: str, daemon: Daemon, revision: str
) -> None:
    person = Person("Ada", "Lovelace")
    before = len(daemon.call("execution.list"))
    async with mcp_client(state, revision, elicitation_callback=person) as client:
        said = await say(client, "run_code", code=_ASKS, runtime=shared)
    assert "Hello Ada Lovelace" in said
    assert person.asked == ["First name:", "Last name:"]
    assert len(daemon.call("execution.list")) == before + 1


@pytest.mark.parametrize("revision", ["2025-06-18", LATEST])
async def test_who_declines_leaves_it_waiting(state: State, shared: str, revision: str) -> None:
    async with mcp_client(state, revision, elicitation_callback=Person(None)) as client:
        said = await say(client, "run_code", code="input('More? ')", runtime=shared)
        assert "waiting for input" in said and "send_input" in said
        execution = execution_in(said)
        assert "'no'" in await say(client, "send_input", execution=execution, value="no")


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-06-18", LATEST])
async def test_without_elicitation_the_answer_says_what_to_call(
    state: State, shared: str, revision: str
) -> None:
    async with mcp_client(state, revision) as client:
        said = await say(client, "run_code", code=_ASKS, runtime=shared)
        execution = execution_in(said)
        assert "waiting for input" in said
        assert "It waits for input(): 'First name: '. Answer with send_input(execution=" in said
        said = await say(client, "send_input", execution=execution, value="Ada")
        assert "'Last name: '" in said
        said = await say(client, "send_input", execution=execution, value=7)
        assert "Hello Ada 7" in said
        late = await fail(client, "send_input", execution=execution, value="x")
        assert "not waiting for input" in late


async def test_a_password_is_the_persons_alone(state: State, shared: str) -> None:
    person = Person()
    code = "from getpass import getpass\nprint(len(getpass('Password: ')))"
    async with mcp_client(state, elicitation_callback=person) as client:
        said = await say(client, "run_code", code=code, runtime=shared)
        execution = execution_in(said)
        assert f"`runt reply {execution}`" in said and not person.asked
        refused = await fail(client, "send_input", execution=execution, value="secret")
        assert "Nothing was sent" in refused
        assert runt(state, "reply", execution, "secret").returncode == 0
        assert "\n6" in await say(client, "wait_execution", execution=execution)


async def test_a_reply_counts_once(state: State, shared: str) -> None:
    async with mcp_client(state, elicitation_callback=Person()) as client:
        arguments = {"code": _ASKS, "runtime": shared}
        call = client.session.call_tool
        asked = await call("run_code", arguments, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        (key,) = asked.input_requests or {}
        reply = {key: types.ElicitResult(action="accept", content={"value": "Ada"})}
        sent: dict[str, Any] = {"input_responses": reply, "request_state": asked.request_state}
        again = await call("run_code", arguments, allow_input_required=True, **sent)
        assert isinstance(again, types.InputRequiredResult)  # for the last name
        with pytest.raises(MCPError, match="answered already"):
            await call("run_code", arguments, allow_input_required=True, **sent)
        # With other arguments, or a state that nobody gave, nothing is resumed.
        sent["request_state"] = again.request_state
        with pytest.raises(MCPError, match="requestState"):
            await call("run_code", {**arguments, "code": "1"}, **sent)
        sent["request_state"] = '{"resume": "x", "once": "y"}'
        with pytest.raises(MCPError, match="requestState"):
            await call("run_code", arguments, **sent)


@pytest.mark.parametrize("revision", ["2025-06-18", LATEST])
async def test_only_the_person_stops_what_the_agent_did_not_start(
    state: State, daemon: Daemon, revision: str
) -> None:
    runtime = daemon.call("runtime.start", name="given")
    daemon.call("runtime.share", runtime=runtime["id"])
    async with mcp_client(state, revision) as client:
        refused = await fail(client, "stop_runtime", runtime="given")
        assert f"`runt stop {runtime['short_id']}`" in refused
    person = Person(False, None, True)
    async with mcp_client(state, revision, elicitation_callback=person) as client:
        assert "does not want" in await fail(client, "stop_runtime", runtime="given")
        assert "does not want" in await fail(client, "stop_runtime", runtime="given")
        assert daemon.call("runtime.get", runtime=runtime["id"])["status"] == "alive"
        result = await client.call_tool("stop_runtime", {"runtime": "given"})
        assert "stopped" in text_of(result)
    assert person.asked[0].startswith("tests wants to stop the runtime given")
    assert daemon.call("runtime.get", runtime=runtime["id"])["status"] == "dead"
