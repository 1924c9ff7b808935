"""What all connections of one server share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runtimed.wire.framing import MAX_LINE_BYTES
from runtimed.wire.jsonrpc import MAX_BATCH

if TYPE_CHECKING:
    from runtimed.hangup import HangupWatch
    from runtimed.server.dispatch import Dispatcher


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection, where nothing else is said."""

    line_bytes: int = MAX_LINE_BYTES
    #: Of all connections together, lines whose ends have not come yet.
    unended_bytes: int = 4 * MAX_LINE_BYTES
    #: Members of a batch.
    batch: int = MAX_BATCH
    #: Requests at a time; further ones wait, and nothing more is read.
    in_flight: int = 256
    #: Answers that a peer has not read; with one more it is hung up on.
    unread_bytes: int = 64 * 1024 * 1024
    #: Past so many unread bytes no events are written; a subscription may then end as lagged.
    event_bytes: int = 1024 * 1024
    #: An event stream over HTTP that had nothing to say for so long says that it lives.
    event_heartbeat_s: float = 15.0
    #: An HTTP request's head must be complete in so long, and its body go on coming.
    http_head_s: float = 10.0
    #: An HTTP connection without a request is closed after so long.
    http_idle_s: float = 60.0
    #: An HTTP request's body must come faster than this, once its head's time is over.
    http_body_bytes_per_s: int = 16 * 1024
    #: A peer that takes nothing of what waits for it for so long is not waited for any more, where
    #: the connection has come to its end. (A pager that nobody looks at holds a pipe for minutes.)
    unread_s: float = 600.0
    #: Seconds that a peer has to hang up after the last words, when it has them.
    linger_s: float = 5.0


class Conversation(Protocol):
    """A connection that takes requests, as the server sees it when it stops."""

    @property
    def tasks(self) -> set[asyncio.Task[None]]: ...

    def stop(self) -> None: ...

    def cut(self) -> None: ...


class Hall:
    """Owned by the server; connections enter and leave by themselves."""

    def __init__(
        self, dispatcher: Dispatcher, tasks: asyncio.TaskGroup, hangups: HangupWatch, limits: Limits
    ) -> None:
        self.dispatcher = dispatcher
        self.tasks = tasks
        self.hangups = hangups
        self.limits = limits
        self.is_stopping = False
        #: What all connections hold of lines whose ends have not come yet.
        self.unended_bytes = 0
        #: Connections that speak, until they are lost or handed to a farewell.
        self.connections: set[Conversation] = set()
        self._transports: set[asyncio.Transport] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def enter(self, transport: asyncio.Transport) -> None:
        self._transports.add(transport)
        self._is_empty.clear()

    def leave(self, transport: asyncio.Transport) -> None:
        """Take note of a connection that is lost. Called by whatever protocol it ends with."""
        self._transports.discard(transport)
        if not self._transports:
            self._is_empty.set()

    async def empty(self, grace_s: float) -> None:
        """Close everything: what can be written in time is, the rest is cut off."""
        for transport in self._transports:
            transport.close()
        try:
            async with asyncio.timeout(grace_s):
                await self._is_empty.wait()
        except TimeoutError:
            for transport in self._transports:
                transport.abort()
            await self._is_empty.wait()
