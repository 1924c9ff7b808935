"""Interrupts that are not delivered, and two at a time; the keeper is a stand-in."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.errors import CannotInterrupt, KeeperUnavailable
from runtimed.config import Config
from runtimed.hub import Hub
from runtimed.kernels import interrupting
from runtimed.kernels.actor import Actor, Parts
from runtimed.kernels.link import Refused
from runtimed.kernels.scopes import Scopes
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
        self.parents: list[Any] = []
        self._has_asked = asyncio.Event()

    def request(self, *_: Any, **fields: Any) -> asyncio.Future[dict[str, Any]]:
        self.parents.append(fields.get("parent"))
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
            Parts(
                *(recorder, blobs, config, state, self._link, self._keeper),
                lambda row: None,
                Scopes({}, lambda: None),
            ),
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

    async def interrupt(self, *, force: bool = False) -> str:
        return await interrupting.interrupt(self.actor, self.row, force=force)

    def is_silent(self) -> None:
        """Have it be at the kernel, which says nothing of it; nobody waits long for that."""
        self.row.progress = Progress()
        self.actor.state.posted = self.row.id
        self.actor.state.delivered = self.row.msg_id

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


async def test_a_shared_kernel_is_asked_first(scene: Scene) -> None:
    """What it has published until then is read before anything is delivered."""
    state = scene.actor.state
    state.is_shared = True
    scene.actor.messenger._proofs = itertools.count(7)
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(scene.interrupt())
        await scene.keeper.next()
        assert not scene.is_noted()
        state.proof_answered = state.proof_heard = "proof.7"
        scene.actor.act([])
        while len(scene.keeper.asked) < 2:
            await asyncio.sleep(0)
        scene.keeper.asked[1].set_result({"delivered": True})
    assert told.result() == "signal"
    assert scene.keeper.parents == [None, scene.row.msg_id]


async def test_a_shared_kernel_that_is_silent_is_taken_at_its_last_word(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupting, "SILENT_S", 0.01)
    scene.actor.state.is_shared = True
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(scene.interrupt())
        while len(scene.keeper.asked) < 2:
            await asyncio.sleep(0.001)
        scene.keeper.asked[1].set_result({"delivered": True})
    assert told.result() == "signal"


@pytest.fixture
def silent(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(interrupting, "BEGIN_S", 0.01)
    monkeypatch.setattr(interrupting, "SENT_S", 0.01)
    scene.is_silent()
    return scene


async def test_what_is_not_said_to_have_begun_is_not_interrupted(silent: Scene) -> None:
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(_failure(silent))
        (await silent.keeper.next()).set_result(NOT_RUNNING)
    assert isinstance(error := told.result(), CannotInterrupt)
    assert "at the kernel" in error.data["reason"]
    assert silent.keeper.parents == [silent.row.msg_id]
    assert not silent.is_noted()


async def test_by_force_it_is(silent: Scene) -> None:
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(silent.interrupt(force=True))
        (await silent.keeper.next()).set_result({"delivered": True})
    assert told.result() == "signal"
    assert silent.keeper.parents == [None], "whatever runs there"
    assert silent.is_noted()


async def test_but_not_while_another_client_is_known_to_run(silent: Scene) -> None:
    silent.actor.state.foreign.add("theirs")
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(_forced_failure(silent))
        (await silent.keeper.next()).set_result(NOT_RUNNING)
    assert isinstance(told.result(), CannotInterrupt)
    assert silent.keeper.parents == [silent.row.msg_id]


async def _forced_failure(scene: Scene) -> BaseException | None:
    try:
        await scene.interrupt(force=True)
    except CannotInterrupt as error:
        return error
    return None
