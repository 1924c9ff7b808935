"""One agent's desk: the connection to the daemon, and what that agent may see there."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from runtimed import environ
from runtimed.api.errors import ApiError
from runtimed.client import connect_async
from runtimed.mcp.sight import CLIENT, Scope, Sight, agent_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runtimed.api.call import Call
    from runtimed.client import AsyncClient

R = TypeVar("R")
#: Agents whose connections one server keeps: names are free, and each takes descriptors.
MOST_DESKS = 64


class Desk:
    """What a tool works with. Many calls at a time may share one."""

    def __init__(
        self, client: AsyncClient, scope: Scope, agent: str, tasks: asyncio.TaskGroup
    ) -> None:
        self.client = client
        self.scope = scope
        self.agent = agent
        self.sight = Sight(client, scope, agent)
        self._tasks = tasks
        self._noticed: set[str] = set()
        self._outliving: set[asyncio.Task[Any]] = set()
        self._holders = 0

    def hold(self) -> None:
        """Keep it open until it is released as often."""
        self._holders += 1

    def release(self) -> None:
        """End that."""
        self._holders -= 1

    @property
    def is_idle(self) -> bool:
        """Whether nobody works at it."""
        return not self._holders and not self._outliving

    async def call(self, call: Call[R]) -> R:
        """Make a call of the API. Raises `ApiError`."""
        return await self.client.call(call)

    def outliving(self, call: Call[R]) -> asyncio.Task[R | ApiError]:
        """Make a call that goes on where its caller is cancelled; its failure is its result."""

        async def made() -> R | ApiError:
            try:
                return await self.call(call)
            except ApiError as error:
                return error

        task = self._tasks.create_task(made(), name=f"mcp {call.method}")
        self._outliving.add(task)
        task.add_done_callback(self._outliving.discard)
        return task

    async def aclose(self) -> None:
        """Hang up; what runs goes on."""
        for task in self._outliving:
            task.cancel()
        await self.client.aclose()

    def news(self, notices: list[str]) -> list[str]:
        """Return those that this agent has not been told: of each runtime they are the same."""
        fresh = [notice for notice in notices if notice not in self._noticed]
        self._noticed.update(fresh)
        return fresh

    def start_parameters(self, cwd: str | None = None) -> dict[str, Any]:
        """Return what a runtime that is started from here gets of this process.

        The environment, and a directory: never this process's own, which the host chose.
        """
        directory = cwd or self.scope.project or "~"
        return {"env": environ.of_caller(os.environ), "cwd": os.path.expanduser(directory)}


class Desks:
    """The desks of all agents that one server serves, by name, the one used last at the end.

    There are `MOST_DESKS`, and those that are held; the others are closed, and opened anew.
    """

    def __init__(self, scope: Scope, tasks: asyncio.TaskGroup) -> None:
        self.scope = scope
        self.tasks = tasks
        self._desks: OrderedDict[str, Desk] = OrderedDict()

    def of(self, said: str | None) -> Desk:
        """Return the desk of an agent that calls itself so; it connects with its first call."""
        agent = agent_name(self.scope.agent or said)
        if (desk := self._desks.get(agent)) is None:
            client = connect_async(client=CLIENT, agent=agent)
            desk = self._desks[agent] = Desk(client, self.scope, agent, self.tasks)
        self._desks.move_to_end(agent)
        if len(self._desks) > MOST_DESKS:
            idle = (each for each in self._desks.values() if each.is_idle and each is not desk)
            if (oldest := next(idle, None)) is not None:
                del self._desks[oldest.agent]
                self.tasks.create_task(oldest.aclose(), name="mcp desk")
        return desk

    async def aclose(self) -> None:
        """Hang up; what runs goes on."""
        desks, self._desks = self._desks, OrderedDict()
        for desk in desks.values():
            await desk.aclose()


@asynccontextmanager
async def open_desks(scope: Scope) -> AsyncIterator[Desks]:
    """Open the desks of a server. At the end what is still being asked for is given up."""
    async with asyncio.TaskGroup() as tasks:
        desks = Desks(scope, tasks)
        try:
            yield desks
        finally:
            await desks.aclose()
