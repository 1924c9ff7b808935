"""Who hears of changes: so many, by the address that they gave, until they end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated
from mcp.shared.exceptions import MCPError

from runtimed.api.errors import ApiError, DaemonUnreachable, StaleCursor
from runtimed.api.events import Event
from runtimed.mcp import subscriptions
from runtimed.mcp.callers import at_its_end
from runtimed.mcp.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_URI = "runtimed://runtimes/A"
_CHANGE = Event(
    subscription="1", seq=1, cursor="1", at="", type="runtime", runtime="A", execution=None, data={}
)


class _Desk:
    """A desk that sees one runtime, and hears of what the test puts into the queue."""

    agent = "tests"

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Event | ApiError] = asyncio.Queue()
        self.is_away = False
        self.client = self.sight = self
        self.is_heard = False
        self.holders = 0

    def in_use(self) -> tuple[bool, int]:
        return self.is_heard, self.holders

    def events(self, types: list[str]) -> _Desk:
        return self

    async def __aenter__(self) -> _Desk:
        if self.is_away:
            raise DaemonUnreachable(socket="s", detail="d")
        self.is_heard = True
        return self

    def __aiter__(self) -> _Desk:
        return self

    async def __anext__(self) -> Event:
        event = await self.heard.get()
        if isinstance(event, ApiError):
            raise event
        return event

    async def aclose(self) -> None:
        self.is_heard = False

    def hold(self) -> None:
        self.holders += 1

    def release(self) -> None:
        self.holders -= 1

    async def runtime_ids(self) -> list[str]:
        return ["A"]


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[_Desk, Any]]:
    async with asyncio.TaskGroup() as tasks:
        desks: Any = SimpleNamespace(tasks=tasks)
        async with Subscriptions(desks) as opened:
            yield _Desk(), opened


async def _nothing(uri: str) -> None:
    return


async def test_there_are_so_many_and_ended_sessions_make_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "_MOST", 2)
    async with _opened() as (desk, all):
        await all.add(desk, "one", "a", _URI, _nothing)
        await all.add(desk, "one", "b", _URI, _nothing)
        assert desk.in_use() == (True, 1)
        with pytest.raises(MCPError, match=r"Not subscribed: .* Unsubscribe from others"):
            await all.add(desk, "two", "a", _URI, _nothing)
        all.discard("one")
        await all.add(desk, "two", "a", _URI, _nothing)
        all.discard("two", "a")
        for _ in range(3):
            await asyncio.sleep(0)
        # Nobody listens: the daemon is not asked either.
        assert desk.in_use() == (False, 0)


async def test_a_session_goes_on_when_the_daemon_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "_FIRST_PAUSE_S", 0.01)
    told: asyncio.Queue[str] = asyncio.Queue()
    async with _opened() as (desk, all):
        await all.add(desk, "one", _URI, _URI, told.put)
        desk.heard.put_nowait(DaemonUnreachable(socket="s", detail="d"))
        desk.heard.put_nowait(_CHANGE)
        async with asyncio.timeout(30):
            assert await told.get() == _URI


async def test_where_another_store_answers_all_has_changed() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    async with _opened() as (desk, all):
        await all.add(desk, "one", _URI, _URI, told.put)
        desk.heard.put_nowait(StaleCursor(cursor="1", detail="d"))
        async with asyncio.timeout(30):
            assert await told.get() == _URI
        desk.heard.put_nowait(_CHANGE)
        async with asyncio.timeout(30):
            assert await told.get() == _URI


async def test_who_subscribes_while_the_daemon_is_away_is_told_so() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    listen: Any = None
    async with _opened() as (desk, all):
        desk.is_away = True
        with pytest.raises(MCPError, match="Not subscribed: runtimed does not answer"):
            await all.add(desk, "one", _URI, _URI, told.put)
        with pytest.raises(MCPError, match="Not subscribed: runtimed does not answer"):
            await all.listen(desk, listen, listen, {})
        assert desk.in_use() == (False, 0)
        desk.is_away = False
        await all.add(desk, "one", _URI, _URI, told.put)  # at once, and not after a pause
        desk.heard.put_nowait(_CHANGE)
        async with asyncio.timeout(30):
            assert await told.get() == _URI


async def test_each_is_told_by_the_address_that_it_gave_and_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "_TAKE_S", 0.01)
    told: asyncio.Queue[str] = asyncio.Queue()

    async def never(uri: str) -> None:
        await asyncio.Event().wait()

    async with _opened() as (desk, all):
        await all.add(desk, "does not read", _URI, _URI, never)
        await all.add(desk, "reads", "runtimed://runtimes/its-name", _URI, told.put)
        for _ in range(2):
            desk.heard.put_nowait(_CHANGE)
            async with asyncio.timeout(30):
                assert await told.get() == "runtimed://runtimes/its-name"


def test_a_stream_hears_of_a_resource_by_the_address_that_it_gave() -> None:
    bus = InMemorySubscriptionBus()
    heard: list[Any] = []
    spelled = subscriptions._Spelled(bus, {"by name": _URI, "by id": _URI, "other": "x"})
    end = spelled.subscribe(heard.append)
    asyncio.run(bus.publish(ResourceUpdated(_URI)))
    assert heard == [ResourceUpdated("by name"), ResourceUpdated("by id")]
    end()


async def test_what_is_to_be_done_at_a_sessions_end_is_done_once() -> None:
    done: list[int] = []
    async with AsyncExitStack() as ending:
        connection = SimpleNamespace(state={}, exit_stack=ending)
        ctx: Any = SimpleNamespace(session=SimpleNamespace(_connection=connection))
        for _ in range(2):
            at_its_end(ctx, "name", lambda: done.append(1))
        assert done == []
    assert done == [1]
