"""One request on its way to the daemon, and its answer on the way back: both as they come.

Each request has a connection of its own: on a Unix socket that costs nothing to speak of, and what
the daemon sees hang up is what the client has hung up.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import h11

from runtimed.client.connecting import CallFailed, Nobody, dial
from runtimed.client.start import ensure_daemon

if TYPE_CHECKING:
    from _socket import socket as RawSocket

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

    from runtimed.gateway.guard import Headers

_CHUNK_BYTES = 65_536
#: They concern one connection (RFC 9110 §7.6.1), or are answered here.
_HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"proxy-authenticate", b"proxy-authorization", b"expect"),
    )
)
#: They were judged here, and mean nothing to the daemon, or that a browser speaks.
_JUDGED = frozenset((b"host", b"authorization", b"origin", b"referer"))
_BROWSERS = b"sec-fetch-"
#: Where nobody serves, these do not start a daemon: they only look.
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class HungUp(Exception):
    """The daemon ended the connection before its answer was whole."""


async def connect(path: str, method: str) -> socket.socket:
    """Return a connection to the daemon, which is started where none runs and work is asked for.

    Raises `CallFailed`.
    """

    def found() -> RawSocket:
        try:
            return dial(path)
        except Nobody:
            if method in _SAFE:
                raise
        return ensure_daemon(path)

    connected = await asyncio.to_thread(found)
    return socket.socket(fileno=connected.detach())


class Passage:
    """One request and its answer, over a connection to the daemon that ends with them."""

    def __init__(
        self,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        extra_headers: Headers,
    ) -> None:
        self.has_begun = False
        """Whether a part of the answer was passed on."""
        self.client_has_gone = False
        self.is_event_stream = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._extra_headers = extra_headers
        self._http = h11.Connection(h11.CLIENT)
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, connected: socket.socket) -> None:
        """Carry both ways until the answer is whole. Raises `HungUp`."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=connected)
        failed: BaseException | None = None  # what is raised in an except* becomes a group
        try:
            async with asyncio.TaskGroup() as tasks:
                self._write(_head(self._scope))
                upload = tasks.create_task(self._upload(), name="gateway upload")
                try:
                    await self._download()
                finally:
                    upload.cancel()
        except* (HungUp, OSError, h11.RemoteProtocolError) as failures:
            failed = failures
        finally:
            self.cut()
        if failed is not None and not self.client_has_gone:
            raise HungUp from failed

    def cut(self) -> None:
        """End the connection to the daemon, whatever is on its way."""
        if self._writer is not None:
            self._writer.transport.abort()

    def _write(self, event: h11.Event) -> None:
        assert self._writer is not None  # noqa: S101 (opened by run)
        if data := self._http.send(event):
            self._writer.write(data)

    async def _upload(self) -> None:
        """Carry the body, then watch whether the client stays."""
        assert self._writer is not None  # noqa: S101
        taken = True
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.client_has_gone = True
                self.cut()
                return
            if message["type"] != "http.request" or not taken:
                continue
            try:
                if body := message.get("body", b""):
                    self._write(h11.Data(data=body))
                    await self._writer.drain()
                if not message.get("more_body", False):
                    self._write(h11.EndOfMessage())
                    taken = False
            except (OSError, h11.LocalProtocolError):
                taken = False  # it takes no more, and its answer says why

    async def _download(self) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK_BYTES))
            elif isinstance(event, h11.Response):
                await self._begin(event)
            elif isinstance(event, h11.Data):
                await self._send(
                    {"type": "http.response.body", "body": bytes(event.data), "more_body": True}
                )
            elif isinstance(event, h11.EndOfMessage):
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise HungUp

    async def _begin(self, response: h11.Response) -> None:
        headers = _end_to_end(response.headers.raw_items())
        found = {name.lower(): value for name, value in headers}
        self.is_event_stream = found.get(b"content-type", b"").startswith(b"text/event-stream")
        self.has_begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": headers + self._extra_headers,
                "trailers": False,
            }
        )


def _head(scope: HTTPScope) -> h11.Request:
    """Return the request's head as the daemon gets it."""
    given = list(scope["headers"])
    headers = [
        (name, value)
        for name, value in _end_to_end(given)
        if name not in _JUDGED and not name.startswith(_BROWSERS)
    ]
    headers += [(b"host", b"runtimed"), (b"connection", b"close"), (b"via", b"1.1 runt-serve")]
    if any(name == b"transfer-encoding" for name, _ in given):
        headers.append((b"transfer-encoding", b"chunked"))
    target = scope["raw_path"]
    if query := scope["query_string"]:
        target += b"?" + query
    return h11.Request(method=scope["method"], target=target, headers=headers)


def _end_to_end(headers: Headers) -> Headers:
    """Return the headers without those of one connection, and those that Connection names."""
    named = {
        word.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for word in value.split(b",")
    }
    dropped = (_HOP_BY_HOP | named) - {b"content-length"}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


__all__ = ["CallFailed", "HungUp", "Passage", "connect"]
