"""A client that was closed makes no calls."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from runtimed.client import ClientClosed, connect, connect_async

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


def test_a_closed_client_refuses(daemon: Daemon) -> None:
    with connect(str(daemon.state.socket), start=False) as client:
        client.runtimes()
    with pytest.raises(ClientClosed, match="closed"):
        client.runtimes()
    with pytest.raises(ClientClosed):
        client.events()
    with pytest.raises(ClientClosed), client:
        pass


def test_so_does_one_of_asyncio(daemon: Daemon) -> None:
    async def run() -> None:
        async with connect_async(str(daemon.state.socket), start=False) as client:
            await client.runtimes()
        with pytest.raises(ClientClosed):
            await client.runtimes()
        with pytest.raises(ClientClosed):
            async with client:
                pass

    asyncio.run(run())


def test_events_end_when_they_are_closed_while_there_is_no_daemon(daemon: Daemon) -> None:
    ended: list[str] = []
    with connect(str(daemon.state.socket), start=False) as client:
        events = client.events()
        reading = threading.Thread(target=lambda: ended.append(str(next(events, "ended"))))
        reading.start()
        daemon.kill()
        events.close()
        reading.join()
        daemon.start()
        assert ended == ["ended"]
        assert next(events, None) is None


def test_so_do_those_of_asyncio(daemon: Daemon) -> None:
    async def run() -> None:
        async with connect_async(str(daemon.state.socket), start=False) as client:
            events = client.events()
            async with asyncio.TaskGroup() as tasks:
                async with events:
                    reading = tasks.create_task(anext(events, "ended"))
                    await asyncio.sleep(0)
                    await asyncio.to_thread(daemon.kill)
                    while events._lines is not None:  # it has not heard of it
                        await asyncio.sleep(0)
                assert await reading == "ended"
            await asyncio.to_thread(daemon.start)
            assert await anext(events, None) is None

    asyncio.run(run())
