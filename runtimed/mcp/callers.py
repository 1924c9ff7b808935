"""MCP's clients as `Caller`: progress, and questions to the person, in each protocol's way.

Until 2025-11-25 the server sends ``elicitation/create`` and waits. Since 2026-07-28 the call ends
with ``input_required``, and comes again with the reply and a state that the SDK has sealed.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from runtimed.mcp.caller import Asked, Question, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import ServerRequestContext

    from runtimed.mcp.desk import Desk
    from runtimed.mcp.runs import Key, Runs
    from runtimed.mcp.undoing import Undo

_QUESTION = "question"


def is_modern(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Say whether the request is of a protocol without sessions."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def said_name(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """Return what the client calls itself, where it does."""
    params = ctx.session.client_params
    return None if params is None else params.client_info.name


def key_of(ctx: ServerRequestContext[Any, Any], request_id: object) -> Key:
    """Return what a request is known by to who cancels it."""
    if request_id is None:
        return None
    if ctx.request is None:
        return "", str(request_id)  # one connection, that of stdin
    session = ctx.request.headers.get("mcp-session-id")
    return (session, str(request_id)) if session else None


def at_its_end(ctx: ServerRequestContext[Any, Any], name: str, do: Callable[[], None]) -> None:
    """Do that when the client's session ends: once, however often it is asked for by one name."""
    connection = ctx.session._connection  # handlers are given no other way to it
    if name not in connection.state:
        connection.state[name] = True
        connection.exit_stack.callback(do)


class _Client:
    """What both kinds of client have in common."""

    def __init__(self, ctx: ServerRequestContext[Any, Any], desk: Desk, runs: Runs) -> None:
        self._ctx = ctx
        self._desk = desk
        self._runs = runs
        meta: Any = ctx.meta or {}
        self.wants_progress = meta.get("progress_token", meta.get("progressToken")) is not None

    async def progress(self, waited_s: float, wait_s: float, message: str) -> None:
        await self._ctx.session.report_progress(round(waited_s, 1), wait_s, message)

    def began(self, undo: Undo) -> None:
        self._runs.begin(key_of(self._ctx, self._ctx.request_id), self._desk, undo)

    def _elicits(self) -> bool:
        capabilities = self._ctx.session.client_capabilities
        elicitation = None if capabilities is None else capabilities.elicitation
        # Without either it is forms that are meant: there was nothing else before 2025-11-25.
        return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


class SessionClient(_Client):
    """A client that the server can ask while it waits for its answer."""

    resume: str | None = None

    @property
    def can_ask(self) -> bool:
        return self._elicits() and self._ctx.session.can_send_request

    async def ask(self, question: Question, resume: str) -> Reply:
        try:
            result = await self._ctx.session.elicit_form(
                question.message, schema_of(question), related_request_id=self._ctx.request_id
            )
        except (MCPError, ValidationError):
            return Reply(declined=True)  # refused, or no answer that can be read
        return reply_of(question, result)


class RoundTripClient(_Client):
    """A client that is asked by the answer, and calls again."""

    def __init__(
        self,
        ctx: ServerRequestContext[Any, Any],
        desk: Desk,
        runs: Runs,
        params: types.CallToolRequestParams,
        used: set[str],
    ) -> None:
        super().__init__(ctx, desk, runs)
        self.resume: str | None = None
        self._result: types.ElicitResult | None = None
        if params.request_state is None:
            return
        state = json.loads(params.request_state)
        if state["once"] in used:
            raise MCPError(types.INVALID_PARAMS, "This question has been answered already")
        used.add(state["once"])
        self.resume = state["resume"]
        found = (params.input_responses or {}).get(_QUESTION)
        self._result = found if isinstance(found, types.ElicitResult) else None

    @property
    def can_ask(self) -> bool:
        return self._elicits()

    async def ask(self, question: Question, resume: str) -> Reply:
        if self.resume == resume and (result := self._result) is not None:
            self._result = None
            return reply_of(question, result)
        raise Asked(question, resume)


def asking(asked: Asked) -> types.InputRequiredResult:
    """Return the answer that is a question."""
    request = types.ElicitRequest(
        params=types.ElicitRequestFormParams(
            message=asked.question.message, requested_schema=schema_of(asked.question)
        )
    )
    state = {"resume": asked.resume, "once": secrets.token_hex(8)}
    return types.InputRequiredResult(
        input_requests={_QUESTION: request}, request_state=json.dumps(state)
    )


def schema_of(question: Question) -> dict[str, Any]:
    """Return the form of a question: one field."""
    if question.kind == "confirmation":
        field = {"type": "boolean", "title": "Yes", "default": False}
        return {"type": "object", "properties": {"yes": field}, "required": ["yes"]}
    field = {"type": "string", "title": "Input"}
    return {"type": "object", "properties": {"value": field}, "required": ["value"]}


def reply_of(question: Question, result: types.ElicitResult) -> Reply:
    """Return what the person said."""
    content = result.content or {}
    if result.action != "accept":
        return Reply(declined=True)
    if question.kind == "confirmation":
        return Reply(declined=content.get("yes") is not True)
    value = content.get("value", "")
    line = value if isinstance(value, str) else json.dumps(value)
    try:
        line.encode()
    except UnicodeEncodeError:
        return Reply(declined=True)  # half of a character: no line that code can be given
    return Reply(line)
