"""The tasks extension: an execution as a task, which outlives the server that made it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import mcp_types as types
import pytest
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError

from tests.harness.mcp_client import LATEST, mcp_client

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mcp.client.client import Client

    from tests.harness.daemon import Daemon, State


class Created(types.Result):
    """A task, as it was created."""

    result_type: Literal["task"]
    task_id: str
    status: str
    ttl_ms: int | None
    status_message: str | None = None


class Task(types.Result):
    """A task, as it is."""

    result_type: str
    task_id: str | None = None
    status: str | None = None
    result: dict[str, Any] | None = None
    input_requests: dict[str, Any] | None = None
    status_message: str | None = None


class Tasks(ClientExtension):
    """A client that takes tasks, and looks after them itself."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Created, resolve=self._resolve)]

    async def _resolve(self, created: Created, context: ClaimContext) -> types.CallToolResult:
        raise AssertionError("the tests ask for the task itself")


async def _asked(_context: Any, _params: Any) -> types.ElicitResult:
    raise AssertionError("of a task's input its client is told by tasks/get")


def _client(state: State, **options: Any) -> Any:
    return mcp_client(state, LATEST, extensions=[Tasks()], elicitation_callback=_asked, **options)


async def _run(client: Client, runtime: str, code: str) -> Any:
    return await client.session.call_tool(
        "run_code", {"code": code, "runtime": runtime}, allow_claimed=True
    )


async def _ask(client: Client, method: str, **params: Any) -> Task:
    request = types.Request[dict[str, Any], str](method=f"tasks/{method}", params=params)
    return await client.session.send_request(request, Task)


async def _until(client: Client, task_id: str, status: str) -> Task:
    async with asyncio.timeout(30):
        while (task := await _ask(client, "get", taskId=task_id)).status != status:
            assert task.status in ("working", "input_required"), task
            await asyncio.sleep(0.05)
    assert task.result_type == "complete"
    return task


def _code(file: Path) -> str:
    return (
        f"import os, time\nwhile not os.path.exists({str(file)!r}): time.sleep(0.01)\n"
        "name = input('Name? ')\nother = input('Name? ')\nprint('Hello', name, other)\n1 / 0"
    )


async def test_a_task_is_the_execution_and_survives_the_server(
    state: State, shared: str, daemon: Daemon, tmp_path: Path
) -> None:
    async with _client(state) as client:
        assert Tasks.identifier in (client.server_capabilities.extensions or {})
        quick = await _run(client, shared, "'quick'")
        assert isinstance(quick, types.CallToolResult)  # no task for what is over at once
        created = await _run(client, shared, _code(tmp_path / "go"))
        assert isinstance(created, Created) and created.status == "working"
        assert daemon.call("execution.get", execution=created.task_id)["status"] == "running"
    async with _client(state) as client:  # another server
        assert (await _ask(client, "get", taskId=created.task_id)).status == "working"
        (tmp_path / "go").touch()
        keys = []
        for name in ("Ada", "Grace"):
            task = await _until(client, created.task_id, "input_required")
            assert task.input_requests is not None
            ((key, request),) = task.input_requests.items()
            assert request["params"]["message"] == "Name?"
            keys.append(key)
            reply = {"action": "accept", "content": {"value": name}}
            unknown = {"other": reply}
            await _ask(client, "update", taskId=created.task_id, inputResponses=unknown)
            await _ask(client, "update", taskId=created.task_id, inputResponses={key: reply})
        assert len(set(keys)) == 2
        task = await _until(client, created.task_id, "completed")
    assert task.result is not None and task.result["isError"] is True
    text = task.result["content"][0]["text"]
    assert "Hello Ada Grace" in text and "ZeroDivisionError" in text


async def test_a_task_is_told_as_its_call_wanted_it(state: State, daemon: Daemon) -> None:
    code = "import time; time.sleep(2.5); print('x\\n' * 5000)"
    arguments = {"code": code, "max_chars": 600}
    async with _client(state) as client:
        created = await client.session.call_tool("run_code", arguments, allow_claimed=True)
        assert isinstance(created, Created)
        note = "It is a new runtime: pass runtime="
        assert (created.status_message or "").startswith(note)
        task = await _until(client, created.task_id, "completed")
        assert task.result is not None
        text = task.result["content"][0]["text"]
        assert note in text and "done in" in text and len(text) <= 600


async def test_a_task_is_cancelled(
    state: State, shared: str, daemon: Daemon, tmp_path: Path
) -> None:
    async with _client(state) as client:
        created = await _run(client, shared, _code(tmp_path / "never"))
        acknowledged = await _ask(client, "cancel", taskId=created.task_id)
        assert acknowledged.result_type == "complete" and acknowledged.task_id is None
        task = await _until(client, created.task_id, "cancelled")
        assert "get_output" in (task.status_message or "")


async def test_who_may_not_see_it_is_told_that_there_is_none(
    state: State, shared: str, daemon: Daemon
) -> None:
    unseen = daemon.call("runtime.start", name="unseen")["id"]
    execution = daemon.call("execution.eval", runtime=unseen, code="1")["id"]
    async with _client(state) as client:
        for method in ("get", "cancel", "update"):
            for task_id in (execution, "nothing"):
                more: dict[str, Any] = {"inputResponses": {}} if method == "update" else {}
                with pytest.raises(MCPError, match="Task not found") as refused:
                    await _ask(client, method, taskId=task_id, **more)
                assert refused.value.error.code == types.INVALID_PARAMS
    async with mcp_client(state) as client:
        with pytest.raises(MCPError) as refused:
            await _ask(client, "get", taskId=execution)
        assert refused.value.error.code == -32021


async def test_who_may_only_read_neither_answers_nor_cancels(
    state: State, shared: str, daemon: Daemon
) -> None:
    code = "print(input('Sure? '))"
    id = daemon.call("execution.submit", runtime=shared, code=code)["id"]
    only_reads = mcp_client(
        state, LATEST, "--read-only", extensions=[Tasks()], elicitation_callback=_asked
    )
    async with only_reads as reader, _client(state) as writer:
        task = await _until(writer, id, "input_required")
        (key,) = task.input_requests or {}
        assert (await _ask(reader, "get", taskId=id)).status == "working"
        reply = {"action": "accept", "content": {"value": "yes"}}
        with pytest.raises(MCPError, match="read only"):
            await _ask(reader, "update", taskId=id, inputResponses={key: reply})
        with pytest.raises(MCPError, match="read only"):
            await _ask(reader, "cancel", taskId=id)
        await reader.call_tool("wait_execution", {"execution": id, "wait_s": 0})  # asks nobody
        assert (await _ask(writer, "get", taskId=id)).status == "input_required"
        await _ask(writer, "cancel", taskId=id)
