"""Messages from stdin, read so that each request is answered, whatever it is made of.

The SDK's own reader drops in silence what its parser does not take: half of a character, which
JavaScript writes for a cut emoji, deep nesting, parameters that are no object, the batches of
2025-03-26. A host then waits until its limit.
"""

from __future__ import annotations

import json
import logging
import os
import re
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.shared._stream_protocols import WriteStream

_log = logging.getLogger(__name__)
_ID = r'"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.)*")\s*'
#: The id of the outermost object, where it is the first of its members but for the version, or
#: the last: what stands there is inside nothing else.
_OUTERMOST_ID = re.compile(rf'\A\s*{{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?{_ID},|{_ID}}}\s*\Z')


def taken() -> TextIO:
    """Return stdin. Meanwhile descriptor 0 is the null device: children read nothing."""
    private = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    # Not closed at the end: a thread may still wait for a line, and nothing else uses its number.
    binary = os.fdopen(private, "rb", closefd=False)
    return TextIOWrapper(binary, encoding="utf-8", errors="replace")


async def read(
    lines: TextIO,
    messages: MemoryObjectSendStream[SessionMessage | Exception],
    answers: WriteStream[SessionMessage],
) -> None:
    """Pass on what comes, until the end of stdin; answer what cannot be passed on."""
    try:
        async with messages:
            # Who is cancelled leaves the thread behind: only the host can end its waiting.
            while line := await anyio.to_thread.run_sync(lines.readline, abandon_on_cancel=True):
                for message in parsed(line):
                    to = answers if isinstance(message, types.JSONRPCError) else messages
                    await to.send(SessionMessage(message))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the server has ended


def parsed(line: str) -> Iterator[types.JSONRPCMessage]:
    """Return the messages of a line, and an error for each that is a request and no message."""
    try:
        yield types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        return
    except ValidationError:
        pass  # looked at more closely: Python's parser takes more
    try:
        found: Any = json.loads(line)
    except RecursionError:
        match = _OUTERMOST_ID.search(line) if '"method"' in line else None
        id = json.loads(match[1] or match[2]) if match else None
        yield from _refused(id, types.PARSE_ERROR, "Its values are nested too deeply.")
        return
    except ValueError:
        if line.strip():
            _log.warning("no JSON on stdin: %.100r", line)
        return
    for each in found if isinstance(found, list) else [found]:
        yield from _message(each)


def _message(found: Any) -> Iterator[types.JSONRPCMessage]:
    try:
        message = types.jsonrpc_message_adapter.validate_python(found, by_name=False)
    except ValidationError:
        # An answer to one of ours has an id, too: what it is answered with would be ours.
        is_request = isinstance(found, dict) and not {"result", "error"} & found.keys()
        id = found.get("id") if is_request else None
        said = 'It is no JSON-RPC request: "method" is a string, "params" an object.'
        yield from _refused(id, types.INVALID_REQUEST, said)
        return
    if isinstance(message, types.JSONRPCRequest) and not _can_be_echoed(found):
        said = "It has half of a character (a surrogate) in it, or is nested too deeply."
        yield from _refused(message.id, types.INVALID_PARAMS, said)
    else:
        yield message


def _can_be_echoed(request: dict[str, Any]) -> bool:
    """Say whether all can be sent back but for the arguments of a tool, which looks at them."""
    params = {**(request.get("params") or {}), "arguments": None}
    try:
        json.dumps({**request, "params": params}, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _refused(id: object, code: int, said: str) -> Iterator[types.JSONRPCError]:
    if isinstance(id, bool) or not isinstance(id, int | str) or not str(id).isascii():
        _log.warning("a message on stdin that nothing answers: %s", said)
        return
    error = types.ErrorData(code=code, message=f"Not done. {said}")
    yield types.JSONRPCError(jsonrpc="2.0", id=id, error=error)
