"""What is served beside the daemon: loaded when it is asked for, once, and again where it fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.gateway.beside import Beside, NotOpened, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager


class Script:
    """An application that notes what becomes of it."""

    def __init__(self, *broken: bool) -> None:
        self.broken = list(broken)
        self.opened = self.closed = 0
        self.answered: list[str] = []
        self.crash = asyncio.Event()

    def load(self) -> AbstractAsyncContextManager[Any]:
        if self.broken and self.broken.pop(0):
            raise ImportError("not installed")
        return self.serving()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Any]:
        self.opened += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                crashing = tasks.create_task(self.crashing())
                yield self.answer
                crashing.cancel()
        finally:
            self.closed += 1

    async def crashing(self) -> None:
        await self.crash.wait()
        self.crash.clear()
        raise RuntimeError("all of it")

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await asyncio.Event().wait()
        self.answered.append(scope["path"])


async def ask(beside: Beside, method: str = "POST", **headers: str) -> None:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {"type": "http", "method": method, "path": "/mcp", "headers": pairs}
    await beside(scope, None, None)  # type: ignore[arg-type]


async def test_it_is_opened_once_and_with_the_first_request() -> None:
    script = Script()
    beside = Beside(script.load)
    async with running(beside):
        await asyncio.sleep(0)
        assert script.opened == 0
        async with asyncio.TaskGroup() as requests:
            for _ in range(3):
                requests.create_task(ask(beside))
        assert (script.opened, script.answered) == (1, ["/mcp"] * 3)
    assert script.closed == 1


async def test_where_it_cannot_be_loaded_the_next_request_tries_again() -> None:
    script = Script(True)
    beside = Beside(script.load)
    async with running(beside):
        with pytest.raises(NotOpened):
            await ask(beside)
        await ask(beside)
        assert script.answered == ["/mcp"]


async def test_where_all_of_it_fails_the_next_request_opens_it_anew() -> None:
    script = Script()
    beside = Beside(script.load)
    async with running(beside):
        await ask(beside)
        script.crash.set()
        async with asyncio.timeout(10):
            while script.closed == 0:
                await asyncio.sleep(0)
        await ask(beside)
        assert (script.opened, len(script.answered)) == (2, 2)


async def test_streams_are_ended_and_calls_are_not() -> None:
    script = Script()
    beside = Beside(script.load)
    async with running(beside):
        await ask(beside)
        streams = [asyncio.create_task(ask(beside, "GET")) for _ in range(2)]  # noqa: TID251
        await asyncio.sleep(0)
        beside.end_streams()
        await asyncio.wait(streams)
        assert all(stream.cancelled() for stream in streams)
        await ask(beside)
