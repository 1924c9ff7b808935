"""Renders run in threads of their own: what else the daemon does waits for none of them."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import ShuttingDown
from runtimed.api.rendering import ExecutionRender, TextOptions
from runtimed.server.http import presenting, rendering
from runtimed.server.http.exchange import Exchange
from runtimed.service import render
from runtimed.service.rendering import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import pytest


def test_many_renders_leave_the_usual_threads_free() -> None:
    is_over = threading.Event()

    async def story() -> str:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(50):
                tasks.create_task(in_thread(is_over.wait, 60))
            await asyncio.sleep(0)
            other = await asyncio.wait_for(asyncio.to_thread(lambda: "recorded"), 30)
            is_over.set()
        return other

    assert asyncio.run(story()) == "recorded"


def test_what_has_not_begun_when_it_is_cancelled_never_does() -> None:
    is_over = threading.Event()
    begun: list[int] = []

    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(in_thread(is_over.wait, 60))
            await asyncio.sleep(0)
            waiting = tasks.create_task(in_thread(begun.append, 1))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            is_over.set()
        await in_thread(begun.append, 2)

    asyncio.run(story())
    assert begun == [2]


async def given_up(
    has_begun: threading.Event, ask: Callable[[Exchange], Awaitable[Any]]
) -> BaseException | None:
    """Hang up when it has begun; return what it ended with, when both threads are free again."""
    async with asyncio.TaskGroup() as tasks:
        hall: Any = SimpleNamespace(tasks=tasks)
        request: Any = SimpleNamespace(header=lambda _: None)
        exchange = Exchange(request, hall, SimpleNamespace(uid=0, pid=1), Any)  # type: ignore[arg-type]

        async def asking() -> BaseException | None:
            try:
                await ask(exchange)
            except ShuttingDown as error:
                return error
            return None

        asked = tasks.create_task(asking())
        await asyncio.to_thread(has_begun.wait, 30)
        exchange.cut_short()
        await asyncio.wait([asked])
        both = threading.Barrier(2, timeout=30)  # broken where a thread goes on
        await asyncio.gather(in_thread(both.wait), in_thread(both.wait))
    return asked.result()


def test_who_hangs_up_gives_up_the_text_of_an_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def operations() -> Iterator[dict[str, Any]]:
        while not is_over.is_set():
            has_begun.set()
            yield {"op": "clear", "wait": False}

    async def waited(_context: Any, row: Any, *_: Any) -> Any:
        return row

    store = SimpleNamespace(read=lambda *_: operations())
    context: Any = SimpleNamespace(store=store, blobs=None)
    monkeypatch.setattr(render, "find_execution", lambda *_: SimpleNamespace(id="01X"))
    monkeypatch.setattr(render, "waited", waited)

    def ask(exchange: Exchange) -> Awaitable[Any]:
        call: Any = render.execution_render(
            context, ExecutionRender(execution="x"), exchange.caller
        )
        return exchange.finish(call, "render")

    timer = threading.Timer(10, is_over.set)  # one that is not given up ends all the same
    timer.start()
    try:
        assert isinstance(asyncio.run(given_up(has_begun, ask)), ShuttingDown)
    finally:
        timer.cancel()
        is_over.set()


def test_who_hangs_up_gives_up_the_text_of_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def of_cells(_result: Any, _form: str, _options: Any, check: Callable[[], None]) -> str:
        while not is_over.is_set():
            has_begun.set()
            check()
        return ""

    monkeypatch.setattr(rendering, "has_cells", lambda _: True)
    monkeypatch.setattr(rendering, "of_cells", of_cells)

    def ask(exchange: Exchange) -> Awaitable[Any]:
        return presenting._text(exchange, None, "text/plain", TextOptions())

    timer = threading.Timer(10, is_over.set)
    timer.start()
    try:
        assert isinstance(asyncio.run(given_up(has_begun, ask)), ShuttingDown)
    finally:
        timer.cancel()
        is_over.set()
