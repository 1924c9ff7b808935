"""``POST /rpc``: JSON-RPC 2.0, a message a request. Its errors are in the answer, with 200."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import InvalidRequest
from runtimed.server.http import media
from runtimed.server.http.messages import Response
from runtimed.wire import jsonrpc

if TYPE_CHECKING:
    from runtimed.server.http.exchange import Exchange


async def answer(exchange: Exchange) -> Response:
    """Return the answers to a message; 204 where it has notifications only."""
    limits = exchange.hall.limits
    media.check_body(exchange.request, is_needed=True, most_bytes=limits.line_bytes)
    media.choose(exchange.request.header("accept"), [media.JSON])
    message = jsonrpc.decode((await exchange.body()).strip(b" \t\r\n"), limits.batch)
    if message is None:
        raise InvalidRequest(detail="the body is empty")
    room = asyncio.Semaphore(limits.in_flight)

    async def answer_one(member: jsonrpc.Request | jsonrpc.Refused) -> bytes | None:
        if isinstance(member, jsonrpc.Refused):
            return jsonrpc.encode_error(member.id, member.error)
        async with room:
            return await exchange.answer(member)

    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(answer_one(member)) for member in message.members]
    answers = [found for task in work if (found := task.result()) is not None]
    if not answers:
        return Response(204)
    body = jsonrpc.encode_batch(answers) if message.is_batch else answers[0]
    return Response(200, [("Content-Type", media.JSON)], body + b"\n")
