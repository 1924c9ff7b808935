"""An ASGI application that is answered in this process and not by the daemon: `/mcp` is one.

It is loaded with the first request to it: who never asks pays nothing. Where it fails as a whole,
the next request opens it anew, and nothing else hears of it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

    #: Of ASGI: scope, receive, send.
    Application = Callable[[Any, Any, Any], Awaitable[None]]

log = logging.getLogger(__name__)


class NotOpened(Exception):
    """It could not be loaded; the log says why."""


class Beside:
    """The application, whether or not it is loaded by now."""

    def __init__(self, load: Callable[[], AbstractAsyncContextManager[Application]]) -> None:
        """``load`` is called in a thread; what it returns is entered on the loop."""
        self._load = load
        self._wanted = asyncio.Event()
        self._opening: asyncio.Future[Application | None] | None = None
        self._streams: set[asyncio.Task[Any]] = set()

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a request. Raises `NotOpened`."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()
            self._wanted.set()
        application = await asyncio.shield(self._opening)
        if application is None:
            raise NotOpened
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a request's)
        if not _is_stream(scope):
            await application(scope, receive, send)
            return
        self._streams.add(task)
        try:
            await application(scope, receive, send)
        finally:
            self._streams.discard(task)

    def end_streams(self) -> None:
        """End the requests that would not end by themselves."""
        for task in self._streams:
            task.cancel()

    async def run(self) -> None:
        """Open the application when it is wanted, again where it fails, until this is cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                opened = await asyncio.to_thread(self._load)
                async with opened as application:
                    self._tell(application)
                    await asyncio.Event().wait()
            except Exception:  # the root of its task
                log.exception("what is served beside the daemon has failed")
            finally:
                self._tell(None)
                self._opening = None

    def _tell(self, application: Application | None) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(application)


@asynccontextmanager
async def running(beside: Beside) -> AsyncIterator[None]:
    """Have it open when it is asked for, as long as the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(beside.run(), name="gateway beside")
        try:
            yield
        finally:
            task.cancel()


def _is_stream(scope: HTTPScope) -> bool:
    """Say whether a request of MCP's is one that goes on until its client hangs up."""
    method = (b"mcp-method", b"subscriptions/listen")
    return scope["method"] == "GET" or method in list(scope["headers"])
