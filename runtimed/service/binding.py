"""Which handler serves which call, and what a handler may know about who calls."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runtimed.api.call import Call

if TYPE_CHECKING:
    import asyncio
    from contextlib import AbstractContextManager

    from runtimed.api.events import Event

R = TypeVar("R")
#: The kind of client that MCP servers are.
MCP = "mcp"
Handler = Callable[..., Awaitable[R]]
#: A handler as the dispatcher calls it: with context, call and caller.
BoundHandler = Callable[[Any, Any, "Caller"], Awaitable[Any]]


class EventStream(Protocol):
    """A subscription of the hub, as a connection writes it out.

    Iterating yields batches of events, each an `Event` or one encoded already (its JSON object,
    ``subscription`` included). It ends by itself after a ``lagged`` event, and when it is closed.
    A batch is empty only after a nudge: then everything that there was has been yielded.
    """

    @property
    def id(self) -> str: ...

    def __aiter__(self) -> AsyncIterator[list[bytes | Event]]: ...

    def nudge(self) -> None: ...

    def close(self) -> None: ...


class Connection(Protocol):
    """What a handler may ask of the connection that a call came on."""

    client: str
    #: The agent that it works for, as it said itself.
    agent: str | None
    #: Whether its clients send a call with an ``id`` again when the service stops meanwhile.
    repeats_calls: bool

    def follow(self, stream: EventStream) -> None:
        """Write the stream's events as notifications, from after this call's answer on."""

    def unfollow(self, subscription: str) -> bool:
        """End a stream of this connection; False if it has none of that id."""

    def waiting(self) -> AbstractContextManager[None]:
        """Mark a stretch of the current call that is pointless once the caller has gone.

        Only there is a call cancelled when its caller vanishes; work that was asked for is
        finished.
        """

    def ending(self, timeout: asyncio.Timeout) -> AbstractContextManager[None]:
        """Have the timeout run out where `waiting` would cancel: there is an answer even so."""


@dataclass(slots=True, frozen=True)
class Caller:
    """Who calls: the peer's process, as the socket tells it, and its connection.

    ``pid`` is a hint: it was the peer's when it connected.
    """

    uid: int
    pid: int | None
    connection: Connection

    @property
    def client(self) -> str:
        """The kind of client, as it said in ``daemon.hello``; "unknown" if it did not."""
        return self.connection.client

    @property
    def agent(self) -> str | None:
        """The agent that it works for, as it said itself."""
        return self.connection.agent

    @property
    def is_agent(self) -> bool:
        """Whether it works for a model, and not at a person's word."""
        return self.agent is not None or self.client == MCP

    @property
    def requested_by(self) -> dict[str, Any]:
        """Who calls, as the record has it."""
        found: dict[str, Any] = {"client": self.client, "pid": self.pid}
        return found if self.agent is None else {**found, "agent": self.agent}

    def waiting(self) -> AbstractContextManager[None]:
        """See `Connection.waiting`."""
        return self.connection.waiting()

    def ending(self, timeout: asyncio.Timeout) -> AbstractContextManager[None]:
        """See `Connection.ending`."""
        return self.connection.ending(timeout)


class Handlers(dict[type[Call[Any]], BoundHandler]):
    """Handlers by the call class that they serve."""

    def serves(self, call: type[Call[R]]) -> Callable[[Handler[R]], Handler[R]]:
        """Bind ``async def handler(ctx, call: CallClass) -> Result`` to its call class.

        A handler may take ``caller: Caller`` as its third parameter. The type checker compares
        the result; the parameter is compared here, because one type variable cannot tie both.
        Raises `TypeError`.
        """

        def bind(handler: Handler[R]) -> Handler[R]:
            takes_caller = _check_parameters(handler, call)
            if call in self:
                raise TypeError(f"{call.__name__} has two handlers")

            def without_caller(ctx: Any, request: Any, caller: Caller) -> Awaitable[R]:
                return handler(ctx, request)

            self[call] = handler if takes_caller else without_caller
            return handler

        return bind


def _check_parameters(handler: Handler[Any], call: type[Call[Any]]) -> bool:
    """Return whether the handler takes the caller. Annotations may be strings (PEP 563)."""
    name = getattr(handler, "__name__", repr(handler))
    parameters = list(inspect.signature(handler).parameters.values())
    if not 2 <= len(parameters) <= 3 or not inspect.iscoroutinefunction(handler):
        raise TypeError(f"{name} must be async and take ctx, call and perhaps caller")
    annotation = parameters[1].annotation
    if isinstance(annotation, str):
        annotation = handler.__globals__.get(annotation, annotation)
    if annotation is not call:
        raise TypeError(f"{name} serves {call.__name__}, but takes {annotation}")
    return len(parameters) == 3


HANDLERS = Handlers()
serves = HANDLERS.serves
