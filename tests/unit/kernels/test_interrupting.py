"""Interrupts that are not delivered, and two at a time; the keeper is a stand-in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.errors import CannotInterrupt, KeeperUnavailable
from runtimed.config import Config
from runtimed.hub import Hub
from runtimed.kernels import interrupting
from runtimed.kernels.actor import Actor, Parts
from runtimed.kernels.link import Refused
from runtimed.model.execution import Progress, Stimulus, advance
from runtimed.paths import State
from runtimed.recorder import Batch, Recorder
from runtimed.store.blobs import Blobs
from runtimed.store.db import Store
from runtimed.store.executions import ExecutionRow
from tests.unit.kernels.test_intake import IDS, Story

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_RUNNING = {"delivered": False, "reason": "not_running"}


class Keeper:
    """A link whose requests are answered by the test."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.asked: list[asyncio.Future[dict[str, Any]]] = []
        self._has_asked = asyncio.Event()

    def request(self, *_: Any, **__: Any) -> asyncio.Future[dict[str, Any]]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        self._has_asked.set()
        return answer

    async def next(self) -> asyncio.Future[dict[str, Any]]:
        """Wait for a request that has no answer, and return what is to answer it."""
        while not self.asked or self.asked[-1].done():
            self._has_asked.clear()
            await self._has_asked.wait()
        return self.asked[-1]


class Scene:
    """A runtime with an execution that runs, as its actor holds them."""

    def __init__(self, folder: Path) -> None:
        self.keeper = Keeper()
        self.keepers = [self.keeper]
        config, state = Config(), State(str(folder))
        self.store = Store(str(folder / "test.db"), config)
        recorder = Recorder(self.store, Hub(self.store, config))
        blobs = Blobs(str(folder / "blobs"), config.blob_limit_bytes)
        self.actor = Actor(
            Story().state.row,
            Parts(recorder, blobs, config, state, self._link, self._keeper, lambda row: None),
        )
        begun = Progress(status="running", sent=True, executing=True)
        self.row = ExecutionRow(
            id=IDS[0], runtime_id="R", code="", queued_ms=0, requested_by={}, progress=begun
        )
        batch = Batch(1)
        batch.runtimes["R"] = self.actor.row
        batch.new.append(self.row)
        recorder.commit(batch)
        self.actor.state.executions[self.row.id] = self.row
        self.actor.state.is_connected = True

    def _link(self) -> Any:
        return self.keepers[0]

    async def _keeper(self) -> Any:
        if self.keepers[0].lost.is_set():
            if len(self.keepers) == 1:
                raise KeeperUnavailable(detail="none came")
            del self.keepers[0]
        return self.keepers[0]

    async def interrupt(self) -> str:
        return await interrupting.interrupt(self.actor, self.row)

    def is_noted(self) -> bool:
        """Whether a failure without a name would be taken for the interrupt's."""
        failed = advance(self.row.progress, Stimulus.REPLIED, detail="error")
        return advance(failed, Stimulus.IDLED).status == "interrupted"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


def gone() -> KeeperUnavailable:
    return KeeperUnavailable(detail="it went away")


@pytest.mark.parametrize("how", ["refused", "no_process", "gone"])
async def test_one_that_is_not_delivered_leaves_no_trace(scene: Scene, how: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_failure(scene))
        answer = await scene.keeper.next()
        assert scene.is_noted()
        match how:
            case "refused":
                answer.set_exception(Refused("stale_incarnation", ""))
            case "no_process":
                answer.set_result({"delivered": False, "reason": "no_process"})
            case "gone":
                scene.keeper.lost.set()
                answer.set_exception(gone())
    assert isinstance(first.result(), KeeperUnavailable if how == "gone" else CannotInterrupt)
    assert not scene.is_noted()
    assert scene.actor.interrupted is None


async def _failure(scene: Scene) -> BaseException | None:
    try:
        await scene.interrupt()
    except (CannotInterrupt, KeeperUnavailable) as error:
        return error
    return None


async def test_the_next_keeper_is_asked_where_one_goes_away(scene: Scene) -> None:
    scene.keepers.append(following := Keeper())
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(scene.interrupt())
        answer = await scene.keeper.next()
        scene.keeper.lost.set()
        answer.set_exception(gone())
        (await following.next()).set_result({"delivered": True})
    assert told.result() == "signal"
    assert scene.is_noted()


async def test_two_at_a_time_are_one(scene: Scene) -> None:
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(scene.interrupt()) for _ in range(2)]
        (await scene.keeper.next()).set_result({"delivered": True})
    assert [each.result() for each in both] == ["signal", "signal"]
    assert len(scene.keeper.asked) == 1


async def test_the_second_is_tried_where_the_first_was_not_delivered(scene: Scene) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_failure(scene))
        answer = await scene.keeper.next()
        second = tasks.create_task(scene.interrupt())
        answer.set_exception(Refused("stale_incarnation", ""))
        (await scene.keeper.next()).set_result({"delivered": True})
    assert isinstance(first.result(), CannotInterrupt)
    assert second.result() == "signal"
    assert scene.is_noted()


async def test_one_that_came_before_its_begin_is_not_noted_until_it_is_delivered(
    scene: Scene,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(scene.interrupt())
        (await scene.keeper.next()).set_result(NOT_RUNNING)
        await asyncio.sleep(0)
        while scene.actor.interrupting.locked():
            await asyncio.sleep(0)
        assert not scene.is_noted()
        scene.row.progress = advance(scene.row.progress, Stimulus.INPUT_REQUESTED)
        scene.actor.act([])
        (await scene.keeper.next()).set_result({"delivered": True})
    assert told.result() == "signal"
