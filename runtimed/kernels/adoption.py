"""Adopt the kernels that others started, and find them again when their owners restart them.

What is adopted is listened to, and used when somebody asks for it; it is never ended, restarted or
signalled by itself. A connection file says where a kernel listens or listened: whether anybody is
there is found out by knocking, and who it is by looking at the processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from ulid import ULID

from runtimed.api.errors import KeeperUnavailable, ShuttingDown, StoreUnavailable
from runtimed.kernels import connection_files, identity, launch, naming, runtime_dirs
from runtimed.kernels.clock import now_ms
from runtimed.kernels.effects import Exited
from runtimed.kernels.link import Refused
from runtimed.kernels.ownership import Ownership
from runtimed.kernels.recording import record_of
from runtimed.kernels.specs import FindingFailed
from runtimed.kernels.watching import UNCONFIRMED, probe
from runtimed.recorder import Batch
from runtimed.store.runtimes import RuntimeRow

if TYPE_CHECKING:
    from collections.abc import Hashable

    from runtimed.kernels.actor import Actor
    from runtimed.kernels.connection_files import ConnectionFile
    from runtimed.kernels.specs import SpecFinder
    from runtimed.kernels.supervisor import Supervisor

log = logging.getLogger(__name__)

#: A connection file is written before its kernel listens: for so long nobody there is no proof.
BIRTH_S = 30.0
#: Without a process that has its name, a young file's kernel is given this long.
ORPHAN_S = 2.0
#: How long a kernel may be silent on control before its shell and heartbeat are asked.
CONTROL_SILENCE_S = 2.0
#: When a kernel that ended is looked for again: its owner may be restarting it.
_REVISITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.5, 2.0, 3.0, 5.0, 5.0, 10.0)
#: How long the first look may take before it is not waited for any more.
FIRST_LOOK_S = 0.5
#: How many connection files are knocked at at once.
_KNOCKS = 16


class Adopter:
    """Keeps the supervisor's table in step with the connection files. Owned by the daemon."""

    def __init__(self, supervisor: Supervisor, finder: SpecFinder) -> None:
        config = supervisor.parts.config
        self.directories = runtime_dirs.directories(config.runtime_dirs)
        self.ownership = Ownership(supervisor, self.directories)
        self._rescan_s = config.rescan_interval_s
        self._supervisor = supervisor
        self._finder = finder
        self._taken: set[Hashable] = set()
        self._has_scanned = False
        self.has_looked = asyncio.Event()
        """Set once what was there at first is adopted, or is not to be: soon, in any case."""
        self._knocks = asyncio.Semaphore(_KNOCKS)
        self._tasks: asyncio.TaskGroup | None = None
        supervisor.on_lost = self._lost

    async def run(self) -> None:
        """Adopt what is there and what comes, until cancelled."""
        asyncio.get_running_loop().call_later(FIRST_LOOK_S, self.has_looked.set)
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self.ownership.run(self._rescan_s), name="owners")
            changes = runtime_dirs.changes(self.directories, self._rescan_s)
            async with contextlib.aclosing(changes):
                async for _ in changes:
                    await self._look()
                    self._has_scanned = True
                    self._check_looked()

    async def _look(self) -> None:
        """Take every connection file that is not known to be alive."""
        files = await asyncio.to_thread(connection_files.scan, self.directories)
        known = self._known()
        for file in files.values():
            row = known.get(file.path) or known.get(file.address)
            if row is None or (row.origin == "adopted" and row.status == "dead"):
                self._begin(file, row)
        paths = {file.path for file in files.values()}
        for row in list(self._supervisor.rows.values()):
            # What was stale when we first saw it, and is gone: nobody ever met it.
            if row.origin == "adopted" and row.incarnation == 0 and row.status == "dead":
                if row.connection_file not in paths:
                    await self._supervisor.remove(row, with_file=False)

    def _known(self) -> dict[Hashable, RuntimeRow]:
        """Return the runtimes by address, and ours by the path of their file too."""
        found: dict[Hashable, RuntimeRow] = {}
        for row in self._supervisor.rows.values():
            if row.origin == "launched":
                found[row.connection_file] = row
            if info := row.launch.get("connection"):
                found[connection_files.address_of(info)] = row
        return found

    def _begin(self, file: ConnectionFile, row: RuntimeRow | None) -> None:
        assert self._tasks is not None  # noqa: S101
        if file.address not in self._taken:
            self._taken.add(file.address)
            self._tasks.create_task(self._take(file, row), name=f"adopt {file.path}")

    async def _take(self, file: ConnectionFile, row: RuntimeRow | None) -> None:
        """Adopt it if somebody is there, or soon will be; else list what it has left."""
        try:
            is_new = row is None
            row = row or self._new_row(file)
            if await self._knock(file):
                await self._adopt(file, row, is_new=is_new)
            elif _is_young(file) and await self._is_born(file, row):
                await self._adopt(file, row, is_new=is_new)
            elif is_new:
                await self._keep_or_drop(file, row)
        except (KeeperUnavailable, StoreUnavailable, ShuttingDown, Refused) as error:
            log.warning("%s is not adopted now: %s", file.path, error)
        finally:
            self._taken.discard(file.address)
            self._check_looked()

    def _check_looked(self) -> None:
        if self._has_scanned and not self._taken:
            self.has_looked.set()

    async def _knock(self, file: ConnectionFile) -> bool:
        async with self._knocks:
            return await connection_files.listens(file) is not False

    async def _is_born(self, file: ConnectionFile, row: RuntimeRow) -> bool:
        """Wait for a kernel that may yet come, listed as starting; say whether it did."""
        actor = self._supervisor.enter(row)
        actor.starts_wanted += 1
        row.status, row.ended_ms, row.exit = "starting", None, None
        is_there = False
        try:
            actor.save()
            delay_s = 0.02
            while not is_there and await self._may_come(file):
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 1.5, 0.25)
                is_there = await self._knock(file)
        finally:
            actor.starts_wanted -= 1
            if not is_there:
                _end(actor)
        return is_there

    async def _may_come(self, file: ConnectionFile) -> bool:
        """Say whether a kernel that does not listen yet may still be starting."""
        if not _is_young(file) or not await asyncio.to_thread(os.path.exists, file.path):
            return False
        is_newborn = time.time() - file.mtime_ns / 1e9 < ORPHAN_S
        return is_newborn or await asyncio.to_thread(identity.is_named, file)

    def _note_end(self, row: RuntimeRow) -> None:
        """Note that the kernel is gone, though somebody else listens where it did."""
        actor = self._supervisor.actors.get(row.id)
        if actor is not None:
            _end(actor)
        elif row.id not in self._supervisor.rows:
            self._enter_dead(row)

    async def _keep_or_drop(self, file: ConnectionFile, row: RuntimeRow) -> None:
        """List what nobody ever listened at, unless its file went while we knocked.

        Where a process has the file's name on its command line nobody knows: it may be slow, or
        listen where we cannot reach it.
        """
        is_there = await asyncio.to_thread(os.path.lexists, file.path)
        if is_there and await asyncio.to_thread(identity.is_named, file):
            is_there = False
        if is_there and row.id not in self._supervisor.rows:
            self._enter_dead(row)
        elif not is_there and row.id in self._supervisor.rows:
            await self._supervisor.remove(row, with_file=False)

    def _enter_dead(self, row: RuntimeRow) -> None:
        """List what left nothing but its connection file, so that it can be removed."""
        row.status, row.ended_ms, row.exit = "dead", row.created_ms, {"reason": "unknown"}
        batch = Batch(row.created_ms)
        batch.runtimes[row.id] = row
        self._supervisor.parts.recorder.commit(batch)
        self._supervisor.rows[row.id] = row

    def _new_row(self, file: ConnectionFile) -> RuntimeRow:
        created_ms = now_ms()
        return RuntimeRow(
            id=str(ULID.from_timestamp(created_ms / 1000)),
            name=naming.free_name(self._supervisor.rows.values(), file.kernel_name or "kernel"),
            kernel_name=file.kernel_name,
            language=None,
            origin="adopted",
            status="starting",
            incarnation=0,
            pid=None,
            start_time=None,
            boot_id=None,
            connection_file=file.path,
            transport=file.transport,
            ip=file.ip,
            private=file.transport == "ipc" or file.is_curve,
            environment=None,
            environment_key="",
            project=None,
            implicit=False,
            cwd="",
            idle_stop_s=None,
            created_ms=created_ms,
            ended_ms=None,
            exit=None,
            notices=[],
            launch={"connection": file.info},
            journal_offset=0,
            removed_ms=None,
        )

    async def _adopt(self, file: ConnectionFile, row: RuntimeRow, *, is_new: bool) -> None:
        """Connect to the kernel, in a new runtime or in the one that it was before."""
        supervisor = self._supervisor
        process = await asyncio.to_thread(identity.find_process, file)
        if isinstance(process, identity.Stranger):
            log.info("%s: %s", file.path, process.reason)
            self._note_end(row)
            return
        await supervisor.keeper()
        actor = supervisor.enter(row)
        actor.starts_wanted += 1
        try:
            async with actor.lifecycle:
                if actor.state.is_connected:
                    return  # it was found by its file and by its end, and the other was first
                actor.state.is_starting = actor.state.is_fresh = True
                _describe(row, process)
                if is_new:
                    row.record = record_of(supervisor.parts, row)
                await self._open(actor)
                actor.state.is_starting = False
                self.ownership.is_due.set()
                await self._confirm(actor)
        finally:
            actor.starts_wanted -= 1
            actor.state.is_starting = False
            actor.ring()
        await self._take_from_spec(actor)

    async def _open(self, actor: Actor) -> None:
        row = actor.row
        row.status, row.ended_ms, row.exit = "starting", None, None
        actor.messenger.new_key()
        actor.save()
        try:
            await actor.apply_record()
            await actor.messenger.open()
        except (KeeperUnavailable, Refused):
            _end(actor)  # the next look at the connection files tries again
            raise

    async def _confirm(self, actor: Actor) -> None:
        """See it answer; one whose control is silent is asked on its shell, and may be busy."""
        row, state = actor.row, actor.state
        try:
            async with asyncio.timeout(CONTROL_SILENCE_S):
                await actor.until(
                    lambda: row.status in ("alive", "dead") or actor.ended_pid == row.pid
                )
        except TimeoutError:
            if UNCONFIRMED not in row.notices:
                row.notices.append(UNCONFIRMED)
            row.status = "unresponsive"
            actor.save()
            if state.is_connected:
                actor.messenger.try_kernel_info()
                await probe(actor)
        if row.status != "dead" and row.pid is not None and actor.ended_pid == row.pid:
            _end(actor)  # it ended while it was being taken for starting

    async def _take_from_spec(self, actor: Actor) -> None:
        """Note what its kernelspec says: how to interrupt it; if it is mute, its language."""
        row = actor.row
        try:
            specs = await self._finder.find(launch.own_environment())
        except (FindingFailed, OSError) as error:
            log.info("%s: its kernelspec is not known: %s", row.id, error)
            return
        if (spec := specs.get(row.kernel_name.lower())) is not None:
            row.launch["interrupt_mode"] = spec.interrupt_mode
            row.language = row.language or spec.language
            actor.save()

    # Again

    def _lost(self, row: RuntimeRow) -> None:
        """Look for a kernel that ended, or whose connection did, behind the same file."""
        assert self._tasks is not None  # noqa: S101
        if not any(key == row.id for key in self._taken):
            self._taken.add(row.id)
            self._tasks.create_task(self._revisit(row), name=f"revisit {row.id}")

    async def _revisit(self, row: RuntimeRow) -> None:
        try:
            for delay_s in _REVISITS_S:
                file = await asyncio.to_thread(connection_files.read, row.connection_file)
                if file is None or file.address != connection_files.address_of(
                    row.launch["connection"]
                ):
                    break
                if await connection_files.listens(file):
                    await self._adopt(file, row, is_new=False)
                    if row.status != "dead":
                        return
                self.end_unwatched(row)
                await asyncio.sleep(delay_s)
            self.end_unwatched(row)
        except (KeeperUnavailable, StoreUnavailable, ShuttingDown, Refused) as error:
            log.warning("%s is not adopted again now: %s", row.id, error)
        finally:
            self._taken.discard(row.id)

    def end_unwatched(self, row: RuntimeRow) -> None:
        """End the runtime of a kernel that refuses connections and has no process that we know."""
        actor = self._supervisor.actors.get(row.id)
        if actor is None or row.status == "dead" or row.pid is not None:
            return
        _end(actor)


def _end(actor: Actor) -> None:
    """End the runtime of a kernel that is not there."""
    actor.state.is_starting = False
    batch = Batch(now_ms())
    effects = actor.intake.end_process({"reason": "unknown"}, batch.now_ms, batch)
    with contextlib.suppress(StoreUnavailable):  # the next daemon will find the same
        actor.parts.recorder.commit(batch)
    actor.act([effect for effect in effects if not isinstance(effect, Exited)])
    actor.ring()


def _is_young(file: ConnectionFile) -> bool:
    return time.time() - file.mtime_ns / 1e9 < BIRTH_S


def _describe(row: RuntimeRow, process: identity.Process | None) -> None:
    """Note which process it is, where that could be found out."""
    row.pid = row.start_time = row.boot_id = None
    if process is not None:
        row.pid, row.start_time = process.pid, process.start_time
        row.boot_id, row.cwd = process.boot_id, process.cwd or row.cwd
