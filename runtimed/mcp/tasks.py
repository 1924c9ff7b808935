"""The extension ``io.modelcontextprotocol/tasks``: an execution is a task, its id is the task's.

So a task outlives this server: any later one that the agent is at answers for it. Only clients
that declare the extension with a request get a task, and only of the revision without sessions.
https://modelcontextprotocol.github.io/ext-tasks/specification/2026-07-28/tasks.html
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from runtimed.api.errors import ApiError, NotWaitingForInput, StaleInput
from runtimed.api.executions import ExecutionGet, ExecutionInput, ExecutionInterrupt
from runtimed.mcp.answer import ToolFailure
from runtimed.mcp.arguments import BadArguments, parse
from runtimed.mcp.caller import Question
from runtimed.mcp.callers import is_modern, reply_of, schema_of
from runtimed.mcp.definitions import BY_NAME, MAX_CHARS, RunCode
from runtimed.mcp.results import tool_result
from runtimed.mcp.telling import asked_for, next_steps, told
from runtimed.model.ids import short

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server

    from runtimed.api.types import Execution
    from runtimed.mcp.answer import Answer
    from runtimed.mcp.desk import Desk

EXTENSION = "io.modelcontextprotocol/tasks"
#: Seconds that run_code waits for what is quickly over, before it becomes a task.
TASK_AFTER_S = 2.0
_POLL_MS = 1000
_MISSING_CAPABILITY = -32021
#: Tasks whose `Promised` one server keeps.
_MOST = 1000


class TaskParams(types.RequestParams):
    """Parameters of tasks/get and tasks/cancel."""

    task_id: str


class UpdateParams(TaskParams):
    """Parameters of tasks/update."""

    input_responses: dict[str, Any]


def serve(server: Server[Any]) -> None:
    """Have the server offer the extension."""
    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", TaskParams, _get)
    server.add_request_handler("tasks/update", UpdateParams, _update)
    server.add_request_handler("tasks/cancel", TaskParams, _cancel)


def is_declared(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Say whether the client takes tasks."""
    capabilities = ctx.session.client_capabilities
    extensions = None if capabilities is None else capabilities.extensions
    return is_modern(ctx) and EXTENSION in (extensions or {})


def shortened(arguments: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of run_code with no longer a wait than a task is worth."""
    given = arguments or {}
    try:
        parsed = parse(BY_NAME["run_code"], given)
    except BadArguments:
        return given  # the tool says what is wrong
    assert isinstance(parsed, RunCode)  # noqa: S101 (its own arguments)
    return {**given, "wait_s": min(parsed.wait_s, TASK_AFTER_S)}


class Promised:
    """How the calls that became tasks wanted to be answered. Another server answers as usual."""

    def __init__(self) -> None:
        self._promised: OrderedDict[str, tuple[int, tuple[str, ...]]] = OrderedDict()

    def keep(self, execution: str, max_chars: int, notes: tuple[str, ...]) -> None:
        """Keep the size that the answer may have, and what it says besides."""
        self._promised[execution] = max_chars, notes
        while len(self._promised) > _MOST:
            self._promised.popitem(last=False)

    def of(self, execution: str) -> tuple[int, tuple[str, ...]]:
        """Return these."""
        return self._promised.get(execution, (MAX_CHARS, ()))


async def created(
    desk: Desk, promised: Promised, answer: Answer, arguments: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the answer of run_code that is a task."""
    parsed = parse(BY_NAME["run_code"], arguments)
    assert isinstance(parsed, RunCode) and answer.execution is not None  # noqa: S101 (it has run)
    promised.keep(answer.execution, parsed.max_chars, answer.notes)
    execution = await desk.call(ExecutionGet(execution=answer.execution, outputs=False))
    said = " ".join(answer.notes) or None
    return {"resultType": "task", **_task(execution, "working", said)}


async def _get(ctx: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
    desk, execution = await _found(ctx, params.task_id)
    elicits = _elicits(ctx) and not desk.scope.read_only
    promised = ctx.lifespan_context.promised.of(execution.id)
    return await _detailed(desk, execution, promised, elicits=elicits)


async def _update(ctx: ServerRequestContext[Any, Any], params: UpdateParams) -> dict[str, Any]:
    desk, execution = await _found(ctx, params.task_id)
    _check_may_change(desk)
    wanted = execution.input
    given = params.input_responses.get(_key(execution))
    if given is not None and wanted is not None and not wanted.password:
        result = types.ElicitResult.model_validate(given, by_name=False)
        reply = reply_of(Question(wanted.prompt), result)
        # Who says nothing ends the input: the code decides what it does without.
        call = ExecutionInput(
            execution=execution.id,
            value=reply.value,
            eof=reply.declined,
            request=wanted.request or None,
        )
        try:
            await desk.call(call)
        except (NotWaitingForInput, StaleInput):
            pass  # Answered already: nothing is outstanding under that key.
    return {}


async def _cancel(ctx: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
    desk, execution = await _found(ctx, params.task_id)
    _check_may_change(desk)
    try:
        await desk.call(ExecutionInterrupt(execution=execution.id, wait_s=0))
    except ApiError as error:
        raise MCPError(types.INTERNAL_ERROR, error.message()) from error
    return {}


async def _found(ctx: ServerRequestContext[Any, Any], task_id: str) -> tuple[Desk, Execution]:
    """Return the execution that is meant. Raises `MCPError`."""
    if not is_declared(ctx):
        wanted: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(_MISSING_CAPABILITY, "Missing required client capability", wanted)
    desk: Desk = ctx.lifespan_context.desk(ctx)
    try:
        return desk, await desk.sight.execution(task_id)
    except ToolFailure as failure:
        raise MCPError(types.INVALID_PARAMS, f"Task not found. {failure}") from None


def _check_may_change(desk: Desk) -> None:
    """Raise `MCPError` where this server was set up to change nothing."""
    if desk.scope.read_only:
        said = "Not done: this server was set up to read only."
        raise MCPError(types.INVALID_REQUEST, said)


def _key(execution: Execution) -> str:
    """Return the key of what it asks for now: it is never that of another question of its own."""
    return f"input-{execution.input.request if execution.input is not None else ''}"


def _elicits(ctx: ServerRequestContext[Any, Any]) -> bool:
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and capabilities.elicitation is not None


async def _detailed(
    desk: Desk, execution: Execution, promised: tuple[int, tuple[str, ...]], *, elicits: bool
) -> dict[str, Any]:
    if execution.status in ("interrupted", "cancelled"):
        said = f"get_output(execution={short(execution.id)!r}) has what it printed"
        return _task(execution, "cancelled", said)
    if execution.status in ("queued", "running"):
        return _task(execution, "working")
    if execution.status == "waiting_input":
        wanted = execution.input
        if wanted is None or wanted.password or not elicits:
            return _task(execution, "working", " ".join(next_steps(execution)))
        question = Question(asked_for(execution).strip() or "The code waits for a line of input.")
        params = {
            "mode": "form",
            "message": question.message,
            "requestedSchema": schema_of(question),
        }
        request = {"method": "elicitation/create", "params": params}
        task = _task(execution, "input_required", asked_for(execution))
        return {**task, "inputRequests": {_key(execution): request}}
    max_chars, notes = promised
    result = tool_result(await told(desk, execution, max_chars, notes=notes))
    dumped = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return {**_task(execution, "completed"), "result": dumped}


def _task(execution: Execution, status: str, message: str | None = None) -> dict[str, Any]:
    updated = execution.execution_end or execution.execution_started or execution.queued_at
    task: dict[str, Any] = {
        "taskId": execution.id,
        "status": status,
        "createdAt": execution.queued_at,
        "lastUpdatedAt": updated,
        "ttlMs": None,
        "pollIntervalMs": _POLL_MS,
    }
    return task if message is None else {**task, "statusMessage": message}
