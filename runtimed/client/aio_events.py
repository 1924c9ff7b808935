"""Events as an asynchronous iterator that outlives lost connections; events.py with ``await``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from runtimed.client.connecting import CallFailed
from runtimed.client.events import Place
from runtimed.client.patience import GivenUp, Patience

if TYPE_CHECKING:
    from types import TracebackType

    from runtimed.api.events import Event, EventsSubscribe
    from runtimed.client.aio import AsyncClient
    from runtimed.client.aio_lines import AsyncLines


class AsyncEvents:
    """The events after a cursor, each once, in order, and then live. One task iterates at a time.

    As `Events`; who cancels the wait for an event may wait for it again.
    """

    def __init__(self, client: AsyncClient, subscribe: EventsSubscribe) -> None:
        self._client = client
        self._place = Place(subscribe)
        self._patience = Patience(client._patience_s)
        self._lines: AsyncLines | None = None
        self._is_closed = False

    @property
    def cursor(self) -> str | None:
        """The place after the last event: another subscription may begin there."""
        return self._place.cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._is_closed:
            try:
                lines = self._lines or await self._subscribe()
            except GivenUp:
                break
            if self._has_ended():
                self._drop()
                break
            try:
                notification = await lines.notification()
            except CallFailed as failure:
                await self._lost(failure)
                continue
            if self._has_ended():
                break
            self._patience.heard()
            event = self._place.take(notification)
            if event is not None and event.type == "lagged":
                self._drop()
            elif event is not None:
                return event
        raise StopAsyncIteration

    def _has_ended(self) -> bool:
        return self._is_closed

    async def aclose(self) -> None:
        """End the subscription, and whoever waits for its next event."""
        self._is_closed = True
        self._patience.end()
        lines, self._lines = self._lines, None
        if lines is not None:
            await lines.aclose()

    async def _subscribe(self) -> AsyncLines:
        while True:
            self._drop()
            lines = await self._client._opened(self._patience)
            try:
                answer = await lines.call("events.subscribe", self._place.params())
            except CallFailed as failure:
                lines.close()
                await self._lost(failure)
            except BaseException:
                lines.close()
                raise
            else:
                self._place.subscribed(answer)
                self._patience.answered()
                self._lines = lines
                return lines

    async def _lost(self, failure: CallFailed) -> None:
        self._drop()
        if not self._is_closed:
            await asyncio.sleep(self._patience.pause_s(failure))

    def _drop(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    async def __aenter__(self) -> Self:
        if self._lines is None:
            await self._subscribe()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
