"""Start runtimes: a new one, the one of a project, or one again."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import msgspec
from ulid import ULID

from runtimed.api.errors import KernelDidNotStart
from runtimed.kernels import ending, launch, naming
from runtimed.kernels.clock import now_ms
from runtimed.kernels.dependencies.provider import Provider
from runtimed.kernels.limits import wanted
from runtimed.kernels.reasons import describe_exit
from runtimed.kernels.recall import recall, recorded
from runtimed.kernels.spec_finder import NATIVE_KERNEL
from runtimed.kernels.specs import SpecFinder
from runtimed.kernels.starting import NoEnvironment, Starting
from runtimed.kernels.under_way import UnderWay
from runtimed.model.ids import short
from runtimed.recorder import Batch
from runtimed.store import executions
from runtimed.store.runtimes import RuntimeRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from runtimed.kernels.actor import Actor
    from runtimed.kernels.environments import Choice, Wish
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.kernels.terms import Terms
    from runtimed.kernels.under_way import Waiting

#: Seconds for each rung of the ladder that ends a kernel which is to be restarted.
RESTART_GRACE_S = 2.0
#: Seconds for a kernel's first answer, where the caller did not say.
START_TIMEOUT_S = 60.0


class Starter:
    """Starts kernels in the supervisor's table. Owned by the daemon.

    A start goes on where its caller does not wait for the end of it.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.finder = SpecFinder()
        self.environments = Provider(self.finder, supervisor.in_background)
        self.under_way = UnderWay()
        self._supervisor = supervisor
        self._starts: dict[tuple[str, str], asyncio.Future[Actor]] = {}

    async def start(
        self,
        wish: Wish,
        *,
        name: str | None = None,
        terms: Terms,
        timeout_s: float = START_TIMEOUT_S,
        waiting: Waiting = contextlib.nullcontext,
    ) -> Actor:
        """Start a kernel and return when it answers.

        ``waiting`` is for as long as only an environment is awaited: who goes then starts none.
        Raises what `Provider.choosing` and `Starting` do.
        """
        async with self._choosing(wish, terms, waiting) as choice:
            row = self._new_row(choice, wish, name, terms)
            return await asyncio.shield(self._launch(row, choice, wish, timeout_s))

    async def of_project(
        self,
        wish: Wish,
        *,
        name: str | None,
        terms: Terms,
        waiting: Waiting = contextlib.nullcontext,
    ) -> Actor:
        """Return the one living runtime of (project, Python or kernel), started if need be.

        As `start`.
        """
        async with self._choosing(wish, terms, waiting) as choice:
            return await self._only_one(choice, wish, name=name, terms=terms)

    def _choosing(
        self, wish: Wish, terms: Terms, waiting: Waiting
    ) -> AbstractAsyncContextManager[Choice]:
        choosing = self.environments.choosing(wish)
        kernel = wish.kernel or NATIVE_KERNEL
        return self.under_way.entering(choosing, terms.started_by, kernel, waiting)

    async def _only_one(
        self, choice: Choice, wish: Wish, *, name: str | None, terms: Terms
    ) -> Actor:
        key = (wish.project or "", choice.key)
        # From here to the entry in _starts nobody else gets a turn: that makes it one.
        if (started := self._starts.get(key)) is None:
            for actor in self._supervisor.actors.values():
                row = actor.row
                if row.implicit and row.status != "dead" and _key(row) == key:
                    return actor
            row = self._new_row(choice, wish, name, terms, implicit=True)
            row.notices += self._what_was_before(key)
            started = self._starts[key] = self._launch(row, choice, wish, START_TIMEOUT_S)
            started.add_done_callback(lambda _: self._starts.pop(key, None))
        return await asyncio.shield(started)

    def _what_was_before(self, key: tuple[str, str]) -> list[str]:
        """Return a notice if this one takes the place of one that had variables."""
        supervisor = self._supervisor
        for row in reversed(supervisor.rows.values()):
            if row.implicit and row.status == "dead" and _key(row) == key:
                store = supervisor.parts.recorder.store
                if store.read(executions.listed, runtime_id=row.id, limit=1):
                    ended = f"{short(row.id)} ended ({describe_exit(row.exit or {})})"
                    return [f"started anew: {ended}, its variables are gone"]
        return []

    def _launch(
        self, row: RuntimeRow, choice: Choice, wish: Wish, timeout_s: float
    ) -> asyncio.Future[Actor]:
        """Enter the runtime into the table and start it, in a task of the supervisor's."""
        supervisor = self._supervisor
        actor = supervisor.enter(row)
        batch = Batch(row.created_ms)
        actor.intake.changed(batch, row.created_ms)
        try:
            supervisor.parts.recorder.commit(batch)
        except BaseException:
            supervisor.withdraw(actor)
            raise
        env = wish.env or launch.own_environment()

        async def start() -> Actor:
            async with actor.lifecycle:
                await supervisor.keeper()
                await Starting(actor, choice, env).run(timeout_s)
            return actor

        return supervisor.in_background(start(), f"start {row.id}")

    @contextlib.asynccontextmanager
    async def had_again(
        self, row: RuntimeRow, env: Mapping[str, str] | None, who: dict[str, Any] | None
    ) -> AsyncIterator[None]:
        """Have the environment that a runtime was started from; it is built again if it is gone.

        ``who`` asks for it, and may call that off.
        """
        fallback = dict(env or launch.own_environment())
        choice = await recall(row.launch, fallback, self.finder)
        held = self.environments.held(choice, fallback)
        async with self.under_way.entering(held, who, row.kernel_name):
            yield

    async def restart(self, row: RuntimeRow, env: Mapping[str, str] | None) -> str:
        """End the kernel, if it lives, and start it anew in the same runtime.

        Its environment is that of its last start; where nobody knows that any more, ``env``.
        Return how it ended: the rung of `ending.stop`, or already_dead.
        """
        fallback = dict(env or launch.own_environment())
        choice = await recall(row.launch, fallback, self.finder)
        supervisor = self._supervisor
        await supervisor.keeper()
        how = ""

        async def restart() -> Actor:
            try:
                return await restart_alone()
            finally:
                actor.starts_wanted -= 1
                actor.ring()

        async def restart_alone() -> Actor:
            nonlocal how
            async with actor.lifecycle:
                how = await _end(actor)
                row.status, row.ended_ms = "starting", None
                address = row.launch.get("connection")
                try:
                    await Starting(actor, choice, None, address).run(START_TIMEOUT_S)
                except NoEnvironment:
                    if env is None:
                        row.notices.append(
                            "restarted with runtimed's own environment: "
                            "the old one is not to be had"
                        )
                    await Starting(actor, choice, fallback, address).run(START_TIMEOUT_S)
            return actor

        held = self.environments.held(choice, fallback)
        async with self.under_way.entering(held, row.started_by, row.kernel_name):
            actor = supervisor.enter(row)  # not before: what has ended meanwhile has another one
            actor.starts_wanted += 1
            await asyncio.shield(supervisor.in_background(restart(), f"restart {row.id}"))
        return how

    def _new_row(
        self,
        choice: Choice,
        wish: Wish,
        name: str | None,
        terms: Terms,
        *,
        implicit: bool = False,
    ) -> RuntimeRow:
        """Return a new runtime's row. Raises `NameTaken` or `KernelDidNotStart`."""
        created_ms = now_ms()
        if name is not None:
            naming.check_free(self._supervisor.rows.values(), name)
        cwd = wish.cwd or os.path.expanduser("~")
        runtime_id = str(ULID.from_timestamp(created_ms / 1000))
        launch_facts = recorded(choice)
        if (limits := wanted(terms.limits)) is not None:
            launch_facts["limits"] = msgspec.to_builtins(limits)
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
            connection_file=_connection_file(runtime_id, choice, cwd),
            transport="ipc",
            ip=None,
            private=True,
            environment=choice.environment,
            environment_key=choice.key,
            project=wish.project,
            implicit=implicit,
            cwd=cwd,
            idle_stop_s=terms.idle_stop_s,
            created_ms=created_ms,
            ended_ms=None,
            exit=None,
            notices=[*choice.notices, *terms.notices],
            launch=launch_facts,
            journal_offset=0,
            removed_ms=None,
            started_by=terms.started_by,
        )

    def _free_name(self, choice: Choice, wish: Wish, *, implicit: bool) -> str:
        base = os.path.basename(wish.project or "") if implicit else ""
        base = base or choice.kernel_name
        return naming.free_name(self._supervisor.rows.values(), base)


def _key(row: RuntimeRow) -> tuple[str, str]:
    return row.project or "", row.environment_key


def _connection_file(runtime_id: str, choice: Choice, cwd: str) -> str:
    """Return the path of the connection file to be. Raises `KernelDidNotStart`."""
    try:
        if not os.path.isdir(cwd):
            what = "is not a directory" if os.path.lexists(cwd) else "does not exist"
            raise NotADirectoryError(f"its working directory {cwd} {what}")
        return os.path.join(launch.connection_directory(), f"kernel-{runtime_id.lower()}.json")
    except OSError as problem:
        raise KernelDidNotStart(
            kernel=choice.kernel_name, detail=str(problem), stderr=""
        ) from problem


async def _end(actor: Actor) -> str:
    """End the process that is to be replaced; what it ran and what was queued is settled."""
    state = actor.state
    how = "already_dead"
    if actor.row.status != "dead":
        state.is_starting = False
        state.is_restarting = True
        try:
            how = await ending.stop(actor, RESTART_GRACE_S)
        finally:
            state.is_restarting = False
    state.is_stopping = False
    state.is_starting = True
    return how
