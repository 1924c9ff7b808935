"""A person's reply goes to the question that it answers, whoever else answers meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import mcp_types as types
import pytest

from tests.harness.mcp_client import LATEST, execution_in, mcp_client, say, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

#: The last revision in which a server asks while it waits.
_ASKS = "2025-11-25"


@pytest.fixture
def runtime(daemon: Daemon) -> Iterator[str]:
    id: str = daemon.call("runtime.start")["id"]
    yield id
    daemon.call("runtime.stop", runtime=id)


def _answer_beside(daemon: Daemon, execution: str) -> None:
    """Answer the first request beside the form, and wait until the second is there."""
    daemon.call("execution.input", execution=execution, value="Ada", request="1")
    while (now := daemon.call("execution.get", execution=execution)["input"]) is None or (
        now["request"] == "1"
    ):
        pass


def _waiting(daemon: Daemon, runtime: str) -> str:
    (found,) = daemon.call("execution.list", runtimes=[runtime], status=["waiting_input"])
    id: str = found["id"]
    return id


async def test_a_reply_to_one_question_never_goes_to_a_password(
    state: State, daemon: Daemon, runtime: str
) -> None:
    code = "from getpass import getpass\nprint([input('User? '), getpass('Password? ')])"

    async def late(context: Any, params: Any) -> types.ElicitResult:
        _answer_beside(daemon, _waiting(daemon, runtime))
        return types.ElicitResult(action="accept", content={"value": "form-answer"})

    async with mcp_client(state, _ASKS, "--runtime", runtime, elicitation_callback=late) as client:
        said = await say(client, "run_code", code=code, runtime=runtime)
        assert "asks for a password" in said
        daemon.call("execution.input", execution=_waiting(daemon, runtime), value="secret")
        execution = execution_in(said)
        assert "['Ada', 'secret']" in await say(client, "wait_execution", execution=execution)


async def _never(context: Any, params: Any) -> types.ElicitResult:
    raise AssertionError("the test itself answers")


async def test_a_late_reply_is_not_used_for_the_next_question(
    state: State, daemon: Daemon, runtime: str
) -> None:
    arguments = {"code": "print([input('Name? '), input('Delete? ')])", "runtime": runtime}
    async with mcp_client(
        state, LATEST, "--runtime", runtime, elicitation_callback=_never
    ) as client:

        async def call(asked: types.InputRequiredResult | None, value: str) -> Any:
            sent: dict[str, Any] = {}
            if asked is not None:
                (key,) = asked.input_requests or {}
                reply = types.ElicitResult(action="accept", content={"value": value})
                sent = {"input_responses": {key: reply}, "request_state": asked.request_state}
            return await client.session.call_tool(
                "run_code", arguments, allow_input_required=True, **sent
            )

        asked = await call(None, "")
        _answer_beside(daemon, _waiting(daemon, runtime))
        asked = await call(asked, "yes")
        assert isinstance(asked, types.InputRequiredResult)
        ((_, request),) = (asked.input_requests or {}).items()
        assert isinstance(request, types.ElicitRequest)
        assert "was not used" in request.params.message
        assert request.params.message.endswith("Delete?")
        assert "['Ada', 'no']" in text_of(await call(asked, "no"))


async def test_a_cancel_after_a_reply_interrupts(
    state: State, daemon: Daemon, runtime: str
) -> None:
    code = "import time\ninput('Begin? ')\nwhile True: time.sleep(0.01)"
    is_asked = asyncio.Event()

    async def person(context: Any, params: Any) -> types.ElicitResult:
        is_asked.set()
        return types.ElicitResult(action="accept", content={"value": "yes"})

    async with (
        mcp_client(state, LATEST, "--runtime", runtime, elicitation_callback=person) as client,
        asyncio.TaskGroup() as tasks,
    ):
        call = tasks.create_task(say(client, "run_code", code=code, runtime=runtime))
        async with asyncio.timeout(30):
            await is_asked.wait()
            id = daemon.call("execution.list", runtimes=[runtime])[0]["id"]
            while daemon.call("execution.get", execution=id)["status"] != "running":
                await asyncio.sleep(0.01)
        call.cancel()
        while daemon.call("execution.get", execution=id)["status"] == "running":
            await asyncio.sleep(0.01)  # ends with the test's own limit, if it does not end
    assert daemon.call("execution.get", execution=id)["status"] == "interrupted"


async def test_a_question_ends_when_it_is_answered_elsewhere(
    state: State, daemon: Daemon, runtime: str
) -> None:
    async def silent(context: Any, params: Any) -> types.ElicitResult:
        id = _waiting(daemon, runtime)
        daemon.call("execution.input", execution=id, value="Ada")
        await asyncio.Event().wait()
        raise AssertionError

    async with mcp_client(
        state, _ASKS, "--runtime", runtime, elicitation_callback=silent
    ) as client:
        said = await say(client, "run_code", code="print('Hi', input('?'))", runtime=runtime)
        assert "Hi Ada" in said and "done in" in said


async def test_a_broken_form_leaves_it_waiting(state: State, daemon: Daemon, runtime: str) -> None:
    async def broken(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult.model_construct(action="zzz")

    async with mcp_client(
        state, _ASKS, "--runtime", runtime, elicitation_callback=broken
    ) as client:
        said = await say(client, "run_code", code="input('?')", runtime=runtime)
        assert "waiting for input" in said and "send_input" in said
