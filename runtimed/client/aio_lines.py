"""One connection that speaks JSON-RPC lines, for asyncio; lines.py is the blocking one."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.client.connecting import CallFailed, HungUp, Nobody, dial, not_runtimed, unreachable
from runtimed.client.lines import LineClient
from runtimed.client.patience import is_quiet
from runtimed.client.start import ensure_daemon
from runtimed.wire.framing import LineSplitter

if TYPE_CHECKING:
    from asyncio import Future

_CHUNK_BYTES = 262_144
#: As long as memory lasts: what is sent to us was asked for.
_MAX_LINE_BYTES = 1 << 40


async def dialled(path: str, kind: str, *, starts: bool, agent: str | None = None) -> AsyncLines:
    """Return a connection that has said hello; the daemon is started if it ``starts`` one.

    Raises `CallFailed`. It is made in a thread: starting a daemon takes a while.
    """
    loop = asyncio.get_running_loop()
    making = loop.run_in_executor(None, _dialled, path, kind, starts, agent)
    try:
        sock = await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close)
        raise
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    return AsyncLines(reader, writer, path)


def _dialled(path: str, kind: str, starts: bool, agent: str | None) -> socket.socket:
    try:
        raw = dial(path)
    except Nobody:
        if not starts:
            raise
        raw = ensure_daemon(path)
    lines = LineClient(raw, path)
    lines.hello(kind, agent)
    sock = socket.socket(fileno=lines.detach())
    sock.setblocking(False)
    return sock


def _close(made: Future[socket.socket]) -> None:
    if not made.cancelled() and made.exception() is None:
        made.result().close()


class AsyncLines:
    """Calls over one connection, one at a time, and notifications. One task at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._path = path
        self._splitter = LineSplitter(_MAX_LINE_BYTES)
        self._lines: deque[bytes] = deque()
        self._last_id = 0

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        """Send one request and return its result. Raises `CallFailed`."""
        self._last_id += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._writer.write(msgspec.json.encode(request) + b"\n")
        try:
            await self._writer.drain()
        except ConnectionError:
            pass  # It may have said why before it hung up.
        while (message := await self._message()).get("id") != self._last_id:
            pass
        if "error" in message:
            raise CallFailed(message["error"])
        return message.get("result")

    async def notification(self) -> dict[str, Any]:
        """Wait for the next notification. Raises `CallFailed` at the end."""
        while "method" not in (message := await self._message()):
            pass
        return message

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and nothing came unasked, read by the loop or not yet."""
        if self._writer.is_closing() or self._reader.at_eof() or self._lines:
            return False
        return is_quiet(self._writer.get_extra_info("socket").fileno())

    def close(self) -> None:
        """Hang up, without waiting for it."""
        self._writer.close()

    async def aclose(self) -> None:
        """Hang up."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass

    async def _message(self) -> dict[str, Any]:
        while not self._lines:
            try:
                chunk = await self._reader.read(_CHUNK_BYTES)
            except ConnectionError:
                chunk = b""
            if not chunk:
                self.close()
                raise unreachable(self._path, "it hung up before it had answered", HungUp)
            self._lines.extend(self._splitter.feed(chunk))
        line = self._lines.popleft()
        try:
            message = msgspec.json.decode(line)
        except msgspec.DecodeError:
            message = None
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            self.close()
            raise not_runtimed(self._path, f"it does not speak JSON-RPC 2.0: {line[:60]!r}")
        if message.get("id") is None and "error" in message:
            # The service could not tell which request it refuses.
            self.close()
            raise CallFailed(message["error"])
        return message
