"""Changes of resources, from the daemon's events to the clients that want to hear of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import mcp_types as types
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
)
from mcp.shared.exceptions import MCPError

from runtimed.api.errors import ApiError, StaleCursor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from mcp.server.context import ServerRequestContext
    from mcp.server.subscriptions import ServerEvent

    from runtimed.api.events import Event
    from runtimed.client.aio_events import AsyncEvents
    from runtimed.mcp.desk import Desk, Desks

    Tell = Callable[[str], Awaitable[None]]

#: Seconds in which changes of one resource become one notification.
_GATHER_S = 0.2
#: Seconds in which a session takes a notification; one that does not read hears no more.
_TAKE_S = 10.0
#: Addresses that one server tells of, to all its clients.
_MOST = 1000
#: Seconds between two looks for a daemon that stays away: twice as long each time, up to this.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_RUNTIMES = "runtimed://runtimes"


class Subscriptions:
    """Who wants to hear of what. It asks the daemon for events while somebody does."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks
        self._feeds: dict[str, _Feed] = {}

    async def add(self, desk: Desk, session: str, uri: str, resource: str, tell: Tell) -> None:
        """Call ``tell`` with ``uri`` whenever ``resource`` has changed. Raises `MCPError`."""
        feed = self._feed(desk, 1)
        before = feed.sessions.get((session, uri))
        feed.sessions[session, uri] = resource, tell
        try:
            await feed.ready()
        except MCPError:
            if before is None:
                self.discard(session, uri)
            raise

    def discard(self, session: str, uri: str | None = None) -> None:
        """End that; without an address, all that the session was told."""
        for feed in self._feeds.values():
            for key in [*feed.sessions]:
                if key[0] == session and uri in (None, key[1]):
                    del feed.sessions[key]
        self._end_unheard()

    async def listen(
        self,
        desk: Desk,
        ctx: ServerRequestContext[Any, Any],
        params: types.SubscriptionsListenRequestParams,
        asked: dict[str, str],
    ) -> types.SubscriptionsListenResult:
        """Serve one stream until its client hangs up. ``asked``: the resource of each address.

        Raises `MCPError`.
        """
        feed = self._feed(desk, len(asked) + 1)
        listening = ListenHandler(_Spelled(feed.bus, asked))
        feed.streams[listening] = len(asked) + 1
        try:
            await feed.ready()
            return await listening(ctx, params)
        finally:
            del feed.streams[listening]
            self._end_unheard()

    def look_again(self, desk: Desk) -> None:
        """Look for a daemon that stayed away: something was asked of it, and it may be back."""
        if (feed := self._feeds.get(desk.agent)) is not None:
            feed.look_again()

    def _feed(self, desk: Desk, more: int) -> _Feed:
        """Have the daemon's events come, from now on. Raises `MCPError` where that is too much."""
        if sum(each.size for each in self._feeds.values()) + more > _MOST:
            said = (
                f"Not subscribed: this server tells of {_MOST} resources already. Unsubscribe from "
                "others first, or read this one when you need it."
            )
            raise MCPError(types.INVALID_REQUEST, said)
        feed = self._feeds.get(desk.agent)
        if feed is None:
            feed = self._feeds[desk.agent] = _Feed(desk)
        feed.begin(self._desks.tasks)
        return feed

    def _end_unheard(self) -> None:
        for agent in [agent for agent, feed in self._feeds.items() if not feed.size]:
            self._feeds.pop(agent).end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for feed in self._feeds.values():
            feed.end()


class _Spelled:
    """A bus as one stream hears it: a resource goes by the address that was asked for."""

    def __init__(self, bus: InMemorySubscriptionBus, asked: dict[str, str]) -> None:
        self._bus = bus
        self._asked = asked

    async def publish(self, event: ServerEvent) -> None:
        await self._bus.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        def heard(event: ServerEvent) -> None:
            if not isinstance(event, ResourceUpdated):
                return listener(event)
            for uri, resource in self._asked.items():
                if resource == event.uri:
                    listener(ResourceUpdated(uri))

        return self._bus.subscribe(heard)


class _Feed:
    """What one agent is told: of what it sees, asked anew each time, and of nothing else."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        desk.hold()
        self.bus = InMemorySubscriptionBus()
        #: By session and the address that it gave: the resource, and how it is told.
        self.sessions: dict[tuple[str, str], tuple[str, Tell]] = {}
        self.streams: Counter[ListenHandler] = Counter()
        self._is_tried = asyncio.Event()
        self._failure: ApiError | None = None
        self._is_wanted = asyncio.Event()
        #: Of each resource that has changed, the runtime that it is of.
        self._changed: dict[str, str] = {}
        self._is_all_changed = False
        self._is_changed = asyncio.Event()
        self._visible: set[str] = set()
        self._reading: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        """How much it is that is told."""
        return len(self.sessions) + self.streams.total()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Read the events, where that is not done already."""
        if self._failure is not None:
            self.look_again()
            self._failure = None
            self._is_tried.clear()
        if self._reading is None:
            self._reading = tasks.create_task(self._read(), name="mcp events")
        if self._telling is None:
            self._telling = tasks.create_task(self._tell(), name="mcp notifications")

    def look_again(self) -> None:
        """Do not wait with the next attempt, where one is waited with."""
        if self._failure is not None:
            self._is_wanted.set()

    async def ready(self) -> None:
        """Wait until the events come. Raises `MCPError` where they do not."""
        await self._is_tried.wait()
        if self._failure is not None:
            raise MCPError(types.INTERNAL_ERROR, f"Not subscribed: {self._failure.message()}")

    def end(self) -> None:
        """Stop."""
        self._close_streams()
        for task in (self._reading, self._telling):
            if task is not None:
                task.cancel()
        self._desk.release()

    def _close_streams(self) -> None:
        for listening in self.streams:
            listening.close()

    async def _read(self) -> None:
        """Note what changes, as long as somebody is told.

        While the daemon stays away it is looked for now and then. Streams end then, and may be
        reopened; sessions cannot be told that, and hear of what has changed when it is back.
        """
        # One that has lost its daemon goes on where it was.
        events = self._events()
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                self._is_wanted.clear()
                try:
                    await self._note(events)
                except StaleCursor:
                    # Another store answers, or one without what we have heard: all is new.
                    await events.aclose()
                    events = self._events()
                    self._visible, self._is_all_changed = set(), True
                    self._is_changed.set()
                    continue
                except ApiError as error:
                    pause_s = _FIRST_PAUSE_S if self._failure is None else 2 * pause_s
                    self._failure = error
                self._is_tried.set()
                self._close_streams()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(pause_s, _LONGEST_PAUSE_S)):
                        await self._is_wanted.wait()
        finally:
            await events.aclose()

    def _events(self) -> AsyncEvents:
        return self._desk.client.events(types=["runtime", "execution", "output", "input"])

    async def _note(self, events: AsyncEvents) -> None:
        await events.__aenter__()
        if not self._visible:
            self._visible = set(await self._desk.sight.runtime_ids())
        self._failure = None
        self._is_tried.set()
        async for event in events:
            if event.runtime is not None:
                self._changed.update(dict.fromkeys(_changes(event), event.runtime))
                self._is_changed.set()

    async def _tell(self) -> None:
        while True:
            await self._is_changed.wait()
            await asyncio.sleep(_GATHER_S)
            self._is_changed.clear()
            changed, self._changed = self._changed, {}
            is_all, self._is_all_changed = self._is_all_changed, False
            try:
                visible = set(await self._desk.sight.runtime_ids())
            except ApiError:
                # The daemon has gone, and what changed cannot be read: told with what is next.
                self._changed = changed | self._changed
                self._is_all_changed |= is_all
                continue
            # That one is no longer in sight is a change of the list, not of the runtime.
            told = visible | self._visible
            is_list_changed = is_all or any(
                runtime in told for uri, runtime in changed.items() if uri == _runtime(runtime)
            )
            self._visible = visible
            resources = [uri for uri, runtime in changed.items() if runtime in visible]
            if is_all:
                resources = list({resource for resource, _ in self.sessions.values()})
            if is_list_changed:
                await self.bus.publish(ResourcesListChanged())
                resources.append(_RUNTIMES)
            for resource in resources:
                await self.bus.publish(ResourceUpdated(resource))
            async with asyncio.TaskGroup() as tasks:
                for key, (resource, tell) in self.sessions.items():
                    if resource in resources:
                        tasks.create_task(self._tell_session(key, tell))

    async def _tell_session(self, key: tuple[str, str], tell: Tell) -> None:
        try:
            async with asyncio.timeout(_TAKE_S):
                await tell(key[1])
        except TimeoutError:
            self.sessions.pop(key, None)  # it does not read, and others wait


def _runtime(id: str) -> str:
    return f"{_RUNTIMES}/{id}"


def _changes(event: Event) -> list[str]:
    """Return the resources that an event changes, but for the list of runtimes."""
    if event.type == "runtime" and event.runtime is not None:
        return [_runtime(event.runtime)]
    return [] if event.execution is None else [f"runtimed://executions/{event.execution}"]
