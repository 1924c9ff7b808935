"""The blocking client and asyncio's in the same words, for tests of what both promise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, Self

from runtimed.client import connect, connect_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import TracebackType

    from runtimed.api.call import Call
    from runtimed.api.events import Event


class AnyEvents(Protocol):
    """Events of either client."""

    def __next__(self) -> Event: ...

    def close(self) -> None: ...


class AnyClient(Protocol):
    """Either client."""

    def call(self, call: Call[Any]) -> Any: ...

    @property
    def events(self) -> Callable[..., AnyEvents]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


class InLoop:
    """asyncio's client, each call in a loop that runs as long as it takes."""

    def __init__(self, path: str, **options: Any) -> None:
        self._runner = asyncio.Runner(debug=True)
        self.client = connect_async(path, **options)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def call(self, call: Call[Any]) -> Any:
        return self.run(self.client.call(call))

    def events(self, **options: Any) -> InLoopEvents:
        return InLoopEvents(self, self.client.events(**options))

    def __enter__(self) -> Self:
        try:
            self.run(self.client.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.run(self.client.aclose())
        self._runner.close()


class InLoopEvents:
    """An asynchronous iterator, as a plain one."""

    def __init__(self, loop: InLoop, events: Any) -> None:
        self._loop = loop
        self._events = events
        loop.run(events.__aenter__())

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event: Event = self._loop.run(self._events.__anext__())
        return event

    def close(self) -> None:
        self._loop.run(self._events.aclose())


def connected(kind: str, path: str, **options: Any) -> AnyClient:
    """Return a client, ``blocking`` or ``asyncio``; one starts no daemon unless it is told to."""
    options = {"start": False, **options}
    return connect(path, **options) if kind == "blocking" else InLoop(path, **options)
