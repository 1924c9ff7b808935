"""All runtimes: which there are, which one is meant, and who starts them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

from ulid import ULID

from runtimed.api.errors import KeeperUnavailable, KernelDidNotStart, NameTaken, ShuttingDown
from runtimed.kernels import ending, launch
from runtimed.kernels.actor import Actor, Parts
from runtimed.kernels.clock import now_ms
from runtimed.kernels.environments import Choice, Wish, choose
from runtimed.kernels.journal import JournalReader
from runtimed.kernels.launch import stderr_path, stdout_path
from runtimed.kernels.link import KeeperLink, connect
from runtimed.kernels.recall import recall, recorded
from runtimed.kernels.specs import SpecFinder
from runtimed.kernels.starting import NoEnvironment, Starting
from runtimed.kernels.watching import checkpoint, watch
from runtimed.recorder import Batch
from runtimed.store import executions, runtimes
from runtimed.store.runtimes import RuntimeRow
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.config import Config
    from runtimed.paths import State
    from runtimed.recorder import Recorder
    from runtimed.store.blobs import Blobs

log = logging.getLogger(__name__)

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
        self.parts = Parts(recorder, blobs, config, state, lambda: self.link)
        self.finder = SpecFinder()
        self.rows: dict[str, RuntimeRow] = {}
        self.actors: dict[str, Actor] = {}
        self.link: KeeperLink | None = None
        self.keeper_pid: int | None = None
        self._linked = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_ending = False
        self._starts: dict[tuple[str, str], asyncio.Future[Actor]] = {}

    # Its life

    def load(self) -> None:
        """Read what there is; actors of living runtimes begin with what is stored."""
        store = self.parts.recorder.store
        self.rows = {row.id: row for row in store.read(runtimes.listed)}
        for row in store.read(runtimes.unfinished):
            self.rows.setdefault(row.id, row)
            actor = self.actors[row.id] = Actor(self.rows[row.id], self.parts)
            for execution in store.read(executions.open_of, row.id):
                actor.state.executions[execution.id] = execution

    async def run(self) -> None:
        """Keep the link to the keeper, and all actors, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for actor in self.actors.values():
                    self._begin(actor)
                self._tasks.create_task(watch(self), name="watch")
                self._tasks.create_task(checkpoint(self), name="checkpoint")
                self._tasks.create_task(self._keep_link(), name="keeper link")
        finally:
            if self.link is not None:
                self.link.close()
            for actor in self.actors.values():
                actor.close()

    def _begin(self, actor: Actor) -> None:
        assert self._tasks is not None  # noqa: S101
        self._tasks.create_task(self._run_actor(actor), name=f"runtime {actor.row.id}")

    async def _run_actor(self, actor: Actor) -> None:
        try:
            await actor.run()
        except Exception:
            # The root of an actor's task: the other runtimes go on.
            log.exception("%s: its actor failed; a restart of runtimed resumes it", actor.row.id)
            actor.row.notices.append("runtimed failed on it; its log tells more")
        else:
            actor.close()
            del self.actors[actor.row.id]

    async def _keep_link(self) -> None:
        while True:
            try:
                link, hello = await connect(self.parts.state, self._on_bell)
            except (KeeperUnavailable, OSError) as error:
                log.error("the keeper: %s", error)
                await asyncio.sleep(KEEPER_RETRY_S)
                continue
            self.keeper_pid = hello["pid"]
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
            if row is not None and row.status == "dead" and info.get("alive"):
                log.warning("%s is taken for dead and is ended", runtime_id)
                link.request(Op.SIGNAL, runtime=runtime_id, signum=int(signal.SIGKILL), tree=True)

    def _on_bell(self, ends: dict[str, int]) -> None:
        for runtime_id, end in ends.items():
            if (actor := self.actors.get(runtime_id)) is not None:
                actor.ring(end)

    async def keeper(self) -> KeeperLink:
        """Return the link, waiting a while for it. Raises `KeeperUnavailable`."""
        try:
            async with asyncio.timeout(LINK_WAIT_S):
                while self.link is None:
                    await self._linked.wait()
        except TimeoutError:
            raise KeeperUnavailable(detail="it does not come up; its log tells more") from None
        return self.link

    # Starting

    async def start(
        self,
        wish: Wish,
        *,
        name: str | None = None,
        implicit: bool = False,
        idle_stop_s: float | None = None,
        timeout_s: float = 60.0,
    ) -> Actor:
        """Start a kernel and return when it answers. Raises what `choose` and `Starting.run` do.

        The start goes on where its caller does not wait for the end of it.
        """
        choice = await choose(wish, self.finder)
        started = self._launch(
            choice,
            wish,
            name=name,
            implicit=implicit,
            idle_stop_s=idle_stop_s,
            timeout_s=timeout_s,
        )
        return await asyncio.shield(started)

    async def of_project(self, wish: Wish, *, name: str | None, idle_stop_s: float) -> Actor:
        """Return the one living runtime of (project, Python or kernel), started if need be."""
        choice = await choose(wish, self.finder)
        key = (wish.project or "", choice.key)
        # From here to the entry in _starts nobody else gets a turn: that makes it one.
        if (started := self._starts.get(key)) is None:
            for actor in self.actors.values():
                if (
                    (actor.row.project or "", actor.row.environment_key) == key
                    and (actor.row.status != "dead")
                    and (name is None or actor.row.name == name)
                ):
                    return actor
            started = self._starts[key] = self._launch(
                choice, wish, name=name, implicit=True, idle_stop_s=idle_stop_s, timeout_s=60.0
            )
            started.add_done_callback(lambda _: self._starts.pop(key, None))
        return await asyncio.shield(started)

    def _launch(
        self,
        choice: Choice,
        wish: Wish,
        *,
        name: str | None,
        implicit: bool,
        idle_stop_s: float | None,
        timeout_s: float,
    ) -> asyncio.Future[Actor]:
        """Enter the runtime into the table and start it, in a task of the supervisor's."""
        if self._tasks is None:
            raise ShuttingDown
        row = self._new_row(choice, wish, name, implicit=implicit, idle_stop_s=idle_stop_s)
        actor = Actor(row, self.parts)
        batch = Batch(row.created_ms)
        actor.intake.changed(batch, row.created_ms)
        self.parts.recorder.commit(batch)
        self.rows[row.id] = row
        self.actors[row.id] = actor
        actor.state.is_starting = True
        self._begin(actor)
        env = wish.env or dict(os.environ)

        async def start() -> Actor:
            await self.keeper()
            await Starting(actor, choice, env).run(timeout_s)
            return actor

        return self._in_background(start(), name=f"start {row.id}")

    def _in_background(self, work: Any, *, name: str) -> asyncio.Future[Actor]:
        """Run a start to its end, whoever waits for it; its failure is its waiters' alone."""
        assert self._tasks is not None  # noqa: S101
        outcome: asyncio.Future[Actor] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(lambda done: done.cancelled() or done.exception())

        async def run() -> None:
            try:
                actor = await work
            except asyncio.CancelledError:
                outcome.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - handed on to who waits
                if not outcome.done():
                    outcome.set_exception(error)
            else:
                if not outcome.done():
                    outcome.set_result(actor)

        self._tasks.create_task(run(), name=name)
        return outcome

    def _new_row(
        self,
        choice: Choice,
        wish: Wish,
        name: str | None,
        *,
        implicit: bool,
        idle_stop_s: float | None,
    ) -> RuntimeRow:
        created_ms = now_ms()
        cwd = wish.cwd or os.path.expanduser("~")
        if not os.path.isdir(cwd):
            raise KernelDidNotStart(
                kernel=choice.kernel_name,
                detail=f"its working directory {cwd} does not exist",
                stderr="",
            )
        runtime_id = str(ULID.from_timestamp(created_ms / 1000))
        if name is not None and (taken := self._living_named(name)) is not None:
            raise NameTaken(name=name, runtime=taken.id)
        connection_file = os.path.join(
            launch.connection_directory(), f"kernel-{runtime_id.lower()}.json"
        )
        return RuntimeRow(
            id=runtime_id,
            name=name or self._free_name(choice, wish, implicit=implicit),
            kernel_name=choice.kernel_name,
            language=choice.language,
            origin="launched",
            status="starting",
            incarnation=0,
            pid=None,
            start_time=None,
            boot_id=None,
            connection_file=connection_file,
            transport="ipc",
            ip=None,
            private=True,
            environment=choice.environment,
            environment_key=choice.key,
            project=wish.project,
            implicit=implicit,
            cwd=cwd,
            idle_stop_s=idle_stop_s,
            created_ms=created_ms,
            ended_ms=None,
            exit=None,
            notices=list(choice.notices),
            launch=recorded(choice),
            journal_offset=0,
            removed_ms=None,
        )

    def _living_named(self, name: str) -> RuntimeRow | None:
        for actor in self.actors.values():
            if actor.row.name == name and actor.row.status != "dead":
                return actor.row
        return None

    def _free_name(self, choice: Choice, wish: Wish, *, implicit: bool) -> str:
        base = os.path.basename(wish.project or "") if implicit else ""
        base = base or choice.kernel_name
        number, name = 1, base
        while self._living_named(name) is not None:
            number += 1
            name = f"{base}-{number}"
        return name

    async def restart(self, row: RuntimeRow, env: Mapping[str, str] | None) -> Actor:
        """End the kernel, if it lives, and start it anew in the same runtime.

        Its environment is that of its last start; where nobody knows that any more, ``env``.
        """
        fallback = dict(env or os.environ)
        choice = await recall(row.launch, fallback, self.finder)
        await self.keeper()
        actor = self.actors.get(row.id)
        if actor is None:
            actor = self.actors[row.id] = Actor(row, self.parts)
            actor.state.is_starting = True
            self._begin(actor)
        elif row.status != "dead":
            actor.state.is_restarting = True
            try:
                await ending.stop(actor, grace_s=2.0)
            finally:
                actor.state.is_restarting = False
        row.status, row.ended_ms = "starting", None
        actor.state.is_starting = True
        living = actor
        address = launch.known_address(row.connection_file)

        async def start() -> Actor:
            try:
                await Starting(living, choice, None, address).run(60.0)
            except NoEnvironment:
                if env is None:
                    row.notices.append(
                        "restarted with runtimed's own environment: the old one is not to be had"
                    )
                await Starting(living, choice, fallback, address).run(60.0)
            return living

        return await asyncio.shield(self._in_background(start(), name=f"restart {row.id}"))

    # Ending

    async def end_all(self) -> None:
        """End the keeper with all kernels that it started, and take in what it says of that.

        Raises `KeeperUnavailable` or `Refused`.
        """
        link = await self.keeper()
        self._is_ending = True
        with contextlib.suppress(KeeperUnavailable):  # it may be quicker to end than to answer
            await link.request(Op.STOP, kernels=True)
        await link.lost.wait()
        actors = list(self.actors.values())
        for actor in actors:
            actor.resume(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                for actor in actors:
                    await actor.until(lambda: actor.row.status == "dead")  # noqa: B023

    def remove(self, row: RuntimeRow) -> None:
        """Take a dead runtime off the lists."""
        row.removed_ms = now_ms()
        batch = Batch(row.removed_ms)
        batch.runtimes[row.id] = row
        batch.event("runtime", row.id, None, {"removed": True})
        self.parts.recorder.commit(batch)
        del self.rows[row.id]
        if self.link is not None:
            self.link.request(Op.FORGET, runtime=row.id)
            shutil.rmtree(self.parts.state.journal(row.id), ignore_errors=True)
        for path in (stdout_path(self.parts.state, row.id), stderr_path(self.parts.state, row.id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def journal_offsets(self) -> dict[str, int]:
        """Return how far each journal has been taken in."""
        return {row.id: row.journal_offset for row in self.rows.values()}

    def drop_journals(self, offsets: Mapping[str, int]) -> None:
        """Unlink closed segments that a checkpoint of these offsets has made superfluous."""
        for runtime_id, offset in offsets.items():
            JournalReader(self.parts.state.journal(runtime_id), 0).unlink_before(offset)
