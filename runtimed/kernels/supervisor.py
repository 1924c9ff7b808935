"""All runtimes, their actors, and the link to the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from runtimed.api.errors import Internal, KeeperUnavailable, ShuttingDown
from runtimed.kernels import launch
from runtimed.kernels.actor import Actor, Parts
from runtimed.kernels.clock import now_ms
from runtimed.kernels.guarding import kept_within_limits
from runtimed.kernels.journal import JournalReader
from runtimed.kernels.launch import stderr_path, stdout_path
from runtimed.kernels.link import KeeperLink, Refused, connect
from runtimed.kernels.own_output import OwnOutput
from runtimed.kernels.scopes import Scopes
from runtimed.kernels.stocktaking import take_stock
from runtimed.kernels.watching import checkpoint, watch
from runtimed.logs import about
from runtimed.recorder import Batch
from runtimed.store import executions, runtimes
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Coroutine, Mapping

    from runtimed.config import Config
    from runtimed.paths import State
    from runtimed.recorder import Recorder
    from runtimed.store.blobs import Blobs
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a request waits for the keeper to come back before it says that it is away.
LINK_WAIT_S = 15.0
#: How long the journals' last words may take to be read when everything ends.
END_S = 10.0
#: How soon a keeper that could not be started is tried again.
KEEPER_RETRY_S = 1.0


class Supervisor:
    """Owns the table of runtimes, their actors' tasks, and the link to the keeper.

    ``rows`` are all runtimes on the lists, dead ones too; ``actors`` those that live.
    """

    def __init__(self, recorder: Recorder, blobs: Blobs, config: Config, state: State) -> None:
        self.parts = Parts(
            recorder,
            blobs,
            config,
            state,
            lambda: self.link,
            self.keeper,
            lambda row: self.on_lost(row),
            Scopes(os.environ, lambda: self.keeper_pid),
        )
        self.on_lost: Callable[[RuntimeRow], None] = lambda row: None
        """Set by who adopts: see `Parts`."""
        self.rows: dict[str, RuntimeRow] = {}
        self.actors: dict[str, Actor] = {}
        self.link: KeeperLink | None = None
        self.keeper_pid: int | None = None
        self.keeper_version: str | None = None
        self.own_output = OwnOutput(state.kernels, config)
        self.has_caught_up = asyncio.Event()
        """Set once the runtimes are what their journals and processes say: soon, in any case."""
        self._linked = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_ending = False

    # Its life

    def load(self) -> None:
        """Read what there is; actors of living runtimes begin with what is stored."""
        store = self.parts.recorder.store
        self.rows = {row.id: row for row in store.read(runtimes.listed)}
        for row in store.read(runtimes.unfinished):
            self.rows.setdefault(row.id, row)
            actor = self.actors[row.id] = Actor(self.rows[row.id], self.parts)
            for execution in store.read(executions.open_of, row.id):
                if execution.origin is None:
                    actor.state.executions[execution.id] = execution
                else:
                    actor.state.foreign_open[execution.origin] = execution

    async def run(self) -> None:
        """Keep the link to the keeper, and all actors, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for actor in self.actors.values():
                    self._begin(actor)
                self._tasks.create_task(self._catch_up(), name="catch up")
                self._tasks.create_task(watch(self), name="watch")
                self._tasks.create_task(checkpoint(self), name="checkpoint")
                self._tasks.create_task(self.own_output.run(), name="own output")
                self._tasks.create_task(self._keep_link(), name="keeper link")
        finally:
            if self.link is not None:
                self.link.close()
            for actor in self.actors.values():
                actor.close()

    async def _catch_up(self) -> None:
        await take_stock(self)
        self.has_caught_up.set()

    def _begin(self, actor: Actor) -> None:
        assert self._tasks is not None  # noqa: S101
        self._tasks.create_task(self._run_actor(actor), name=f"runtime {actor.row.id}")

    async def _run_actor(self, actor: Actor) -> None:
        try:
            async with kept_within_limits(actor):
                await actor.run()
        except Exception:
            # The root of an actor's task: the other runtimes go on.
            log.exception(
                "its actor failed; a restart of runtimed resumes it", extra=about(actor.row.id)
            )
            actor.row.notices.append("runtimed failed on it; its log tells more")
            actor.queue.fail(Internal(incident=f"runtime {actor.row.id}"))
        else:
            actor.close()
            del self.actors[actor.row.id]
            self.own_output.tell()
            if actor.row.origin == "launched":
                launch.remove_connection_file(actor.row.connection_file)

    async def _keep_link(self) -> None:
        while True:
            try:
                link, hello = await connect(self.parts.state, self._on_bell)
            except (KeeperUnavailable, OSError) as error:
                log.error("the keeper: %s", error)
                await asyncio.sleep(KEEPER_RETRY_S)
                continue
            self.keeper_pid = hello["pid"]
            self.keeper_version = hello.get("release")
            self.link = link
            self._resume(link, hello["runtimes"])
            self._linked.set()
            await link.lost.wait()
            self._linked.clear()
            self.link = None
            if self._is_ending:
                return
            log.warning("the link to the keeper was lost")

    def _resume(self, link: KeeperLink, known: Mapping[str, dict[str, Any]]) -> None:
        """Tell actors what the keeper knows; end kernels whose start was given up meanwhile."""
        for runtime_id, actor in self.actors.items():
            actor.resume(known.get(runtime_id))
        for runtime_id, info in known.items():
            row = self.rows.get(runtime_id)
            if row is None or row.status != "dead" or not info.get("alive"):
                continue
            if row.origin == "adopted":
                link.request(Op.FORGET, runtime=runtime_id)
            else:
                log.warning("it is taken for dead and is ended", extra=about(runtime_id))
                link.request(Op.SIGNAL, runtime=runtime_id, signum=int(signal.SIGKILL), tree=True)

    def _on_bell(self, ends: dict[str, int]) -> None:
        for runtime_id, end in ends.items():
            if (actor := self.actors.get(runtime_id)) is not None:
                actor.ring(end)

    async def keeper(self) -> KeeperLink:
        """Return the link, waiting a while for it. Raises `KeeperUnavailable`."""
        try:
            async with asyncio.timeout(LINK_WAIT_S):
                while self.link is None or self.link.lost.is_set():
                    self._linked.clear()  # who keeps the link may not have heard of its loss yet
                    await self._linked.wait()
        except TimeoutError:
            raise KeeperUnavailable(detail="it does not come up; its log tells more") from None
        return self.link

    def enter(self, row: RuntimeRow) -> Actor:
        """Enter a runtime into the table, unless it is there, and begin its actor.

        Raises `ShuttingDown`.
        """
        if self._tasks is None or self._is_ending:
            raise ShuttingDown
        actor = self.actors.get(row.id)
        if actor is None:
            self.rows[row.id] = row
            actor = self.actors[row.id] = Actor(row, self.parts)
            actor.state.is_starting = True  # until it says otherwise: its end is not the end
            self._begin(actor)
        return actor

    def withdraw(self, actor: Actor) -> None:
        """Take a runtime out of the table again, whose row could not be stored."""
        self.rows.pop(actor.row.id, None)
        actor.row.status = "dead"
        actor.state.is_starting = False
        actor.ring()

    def in_background(self, work: Coroutine[Any, Any, T], name: str) -> Future[T]:
        """Run work to its end, whoever waits for it; its failure is its waiters' alone.

        Raises `ShuttingDown`.
        """
        if self._tasks is None or self._is_ending:
            work.close()
            raise ShuttingDown
        outcome: Future[T] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(lambda done: done.cancelled() or done.exception())

        async def run() -> None:
            try:
                result = await work
            except asyncio.CancelledError:
                outcome.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - handed on to who waits
                if not outcome.done():
                    outcome.set_exception(error)
            else:
                if not outcome.done():
                    outcome.set_result(result)

        self._tasks.create_task(run(), name=name)
        return outcome

    # Ending

    async def end_all(self) -> None:
        """End the keeper with all kernels that it started, and take in what it says of that.

        Raises `KeeperUnavailable` or `Refused`.
        """
        link = await self.keeper()
        self._is_ending = True
        try:
            async with asyncio.timeout(END_S):
                with contextlib.suppress(KeeperUnavailable):  # it may end before it answers
                    await link.request(Op.STOP, kernels=True)
                await link.lost.wait()
        except TimeoutError:
            raise KeeperUnavailable(
                detail=f"it does not end; its pid is {self.keeper_pid}"
            ) from None
        actors = [actor for actor in self.actors.values() if actor.row.origin == "launched"]
        for actor in actors:
            actor.resume(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                for actor in actors:
                    await actor.until(lambda: actor.row.status == "dead")  # noqa: B023
        await self.parts.scopes.end(actor.row.launch.get("scope") for actor in actors)

    async def remove(self, row: RuntimeRow, *, with_file: bool = True) -> None:
        """Take a dead runtime off the lists; what waited to be carried over is cancelled.

        ``with_file`` says whether its connection file goes too: it may be another kernel's by now.
        Off the lists it is at once; when this returns its journal is gone too.
        """
        if self.rows.get(row.id) is not row:
            return  # somebody else has removed it
        actor = self.actors.get(row.id)
        if actor is not None:
            for execution in list(actor.state.executions.values()):
                actor.queue.cancel(execution, "its runtime was removed")
        batch = Batch(now_ms())
        row.removed_ms = batch.now_ms
        batch.runtimes[row.id] = row
        batch.event("runtime", row.id, None, {"removed": True})
        try:
            self.parts.recorder.commit(batch)
        except BaseException:
            row.removed_ms = None
            raise
        del self.rows[row.id]
        if with_file:
            launch.remove_connection_file(row.connection_file)
        for path in (stdout_path(self.parts.state, row.id), stderr_path(self.parts.state, row.id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        if self.link is not None:
            # Not before the keeper has let go of it: it may be beginning the next segment.
            with contextlib.suppress(KeeperUnavailable, Refused):
                await self.link.request(Op.FORGET, runtime=row.id)
            shutil.rmtree(self.parts.state.journal(row.id), ignore_errors=True)

    def journal_offsets(self) -> dict[str, int]:
        """Return how far each journal has been taken in."""
        return {row.id: row.journal_offset for row in self.rows.values()}

    def drop_journals(self, offsets: Mapping[str, int]) -> None:
        """Unlink closed segments that a checkpoint of these offsets has made superfluous."""
        for runtime_id, offset in offsets.items():
            JournalReader(self.parts.state.journal(runtime_id), 0).unlink_before(offset)
