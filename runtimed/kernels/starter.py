"""Start runtimes: a new one, the one of a project, or one again."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec
from ulid import ULID

from runtimed.api.errors import KernelDidNotStart
from runtimed.kernels import ending, launch, naming
from runtimed.kernels.clock import now_ms
from runtimed.kernels.environments import Choice, Wish, choose
from runtimed.kernels.limits import wanted
from runtimed.kernels.reasons import describe_exit
from runtimed.kernels.recall import recall, recorded
from runtimed.kernels.specs import SpecFinder
from runtimed.kernels.starting import NoEnvironment, Starting
from runtimed.model.ids import short
from runtimed.recorder import Batch
from runtimed.store import executions
from runtimed.store.runtimes import RuntimeRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.api.types import Limits
    from runtimed.kernels.actor import Actor
    from runtimed.kernels.supervisor import Supervisor

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
        self._supervisor = supervisor
        self._starts: dict[tuple[str, str], asyncio.Future[Actor]] = {}

    async def start(
        self,
        wish: Wish,
        *,
        name: str | None = None,
        idle_stop_s: float | None = None,
        limits: Limits | None = None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> Actor:
        """Start a kernel and return when it answers. Raises what `choose` and `Starting` do."""
        choice = await choose(wish, self.finder)
        row = self._new_row(choice, wish, name, idle_stop_s=idle_stop_s)
        if (limits := wanted(limits)) is not None:
            row.launch["limits"] = msgspec.to_builtins(limits)
        return await asyncio.shield(self._launch(row, choice, wish, timeout_s))

    async def of_project(self, wish: Wish, *, name: str | None, idle_stop_s: float) -> Actor:
        """Return the one living runtime of (project, Python or kernel), started if need be."""
        choice = await choose(wish, self.finder)
        key = (wish.project or "", choice.key)
        # From here to the entry in _starts nobody else gets a turn: that makes it one.
        if (started := self._starts.get(key)) is None:
            for actor in self._supervisor.actors.values():
                row = actor.row
                if row.implicit and row.status != "dead" and _key(row) == key:
                    return actor
            row = self._new_row(choice, wish, name, idle_stop_s=idle_stop_s, implicit=True)
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

        return supervisor.in_background(start(), name=f"start {row.id}")

    async def restart(self, row: RuntimeRow, env: Mapping[str, str] | None) -> str:
        """End the kernel, if it lives, and start it anew in the same runtime.

        Its environment is that of its last start; where nobody knows that any more, ``env``.
        Return how it ended: the rung of `ending.stop`, or already_dead.
        """
        fallback = dict(env or launch.own_environment())
        choice = await recall(row.launch, fallback, self.finder)
        supervisor = self._supervisor
        await supervisor.keeper()
        actor = supervisor.enter(row)
        actor.starts_wanted += 1
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

        await asyncio.shield(supervisor.in_background(restart(), name=f"restart {row.id}"))
        return how

    def _new_row(
        self,
        choice: Choice,
        wish: Wish,
        name: str | None,
        *,
        idle_stop_s: float | None,
        implicit: bool = False,
    ) -> RuntimeRow:
        """Return a new runtime's row. Raises `NameTaken` or `KernelDidNotStart`."""
        created_ms = now_ms()
        if name is not None:
            naming.check_free(self._supervisor.rows.values(), name)
        cwd = wish.cwd or os.path.expanduser("~")
        runtime_id = str(ULID.from_timestamp(created_ms / 1000))
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
            idle_stop_s=idle_stop_s,
            created_ms=created_ms,
            ended_ms=None,
            exit=None,
            notices=list(choice.notices),
            launch=recorded(choice),
            journal_offset=0,
            removed_ms=None,
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
