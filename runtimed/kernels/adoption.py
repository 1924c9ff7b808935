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

from runtimed.api.errors import KeeperUnavailable, ShuttingDown, StoreUnavailable
from runtimed.kernels import adopted, connection_files, identity, launch, runtime_dirs
from runtimed.kernels.clock import now_ms
from runtimed.kernels.effects import Exited
from runtimed.kernels.link import Refused
from runtimed.kernels.ownership import Ownership
from runtimed.kernels.process_scan import Scans
from runtimed.kernels.recording import record_of
from runtimed.kernels.rejections import Rejections
from runtimed.kernels.specs import FindingFailed
from runtimed.kernels.watching import UNCONFIRMED, probe
from runtimed.logs import about
from runtimed.recorder import Batch

if TYPE_CHECKING:
    from collections.abc import Hashable

    from runtimed.kernels.actor import Actor
    from runtimed.kernels.connection_files import ConnectionFile
    from runtimed.kernels.specs import SpecFinder
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)

#: A connection file is written before its kernel listens: for so long nobody there is no proof.
BIRTH_S = 30.0
#: Without a process that has its name, a young file's kernel is given this long.
ORPHAN_S = 2.0
#: How long a kernel may be silent on control before its shell and heartbeat are asked.
CONTROL_SILENCE_S = 2.0
#: When a kernel that ended is looked for again: its owner may be restarting it.
_REVISITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.5, 2.0, 3.0, 5.0, 5.0, 10.0)
#: How long the first look may take before it is not waited for any more: a kernel that is stopped
#: takes two seconds to be known as one.
FIRST_LOOK_S = 3.0
LOST = "its sockets' path is relative to the directory of a process that is not known"
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
        self._rejections = Rejections()
        self._scans = Scans()
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
        rejected: dict[str, str] = {}
        files = await asyncio.to_thread(
            connection_files.scan, self.directories, rejected.__setitem__
        )
        self._rejections.tell(rejected)
        known = self._known()
        for file in files.values():
            row = known.get(file.path) or known.get(file.address)
            if row is not None and row.origin == "adopted" and row.connection_file != file.path:
                await self._follow(row, file)
            if row is None or (row.origin == "adopted" and row.status == "dead"):
                self._begin(file, row)
        for actor in list(self._supervisor.actors.values()):
            actor.look_again()
        paths = {file.path for file in files.values()}
        self._rejections.forget_but(paths)
        for row in list(self._supervisor.rows.values()):
            # What was stale when we first saw it, and is gone: nobody ever met it.
            if row.origin == "adopted" and row.incarnation == 0 and row.status == "dead":
                if row.connection_file not in paths:
                    await self._supervisor.remove(row, with_file=False)

    async def _follow(self, row: RuntimeRow, file: ConnectionFile) -> None:
        """Note where a connection file is now, if it was moved there."""
        if await asyncio.to_thread(os.path.lexists, row.connection_file):
            return
        row.connection_file = file.path
        with contextlib.suppress(StoreUnavailable):  # the next save has it
            if (actor := self._supervisor.actors.get(row.id)) is not None:
                actor.save()
            else:
                batch = Batch(now_ms())
                batch.runtimes[row.id] = row
                self._supervisor.parts.recorder.commit(batch)

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
            row = row or adopted.new_row(file)
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
            return await connection_files.listens(await self._located(file)) is not False

    async def _located(self, file: ConnectionFile) -> ConnectionFile:
        if not file.is_lost:
            return file
        return await asyncio.to_thread(identity.located, file, await self._scans.next())

    async def _is_named(self, file: ConnectionFile) -> bool:
        return await asyncio.to_thread(identity.is_named, file, await self._scans.next())

    async def _is_born(self, file: ConnectionFile, row: RuntimeRow) -> bool:
        """Wait for a kernel that may yet come, listed as starting; say whether it did."""
        actor = self._enter(row)
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
        return is_newborn or await self._is_named(file)

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
        if is_there and await self._is_named(file):
            is_there = False
        if is_there and row.id not in self._supervisor.rows:
            self._enter_dead(row)
        elif not is_there and row.id in self._supervisor.rows:
            await self._supervisor.remove(row, with_file=False)

    def _enter_dead(self, row: RuntimeRow) -> None:
        """List what left nothing but its connection file, so that it can be removed."""
        adopted.give_name(row, self._supervisor.rows.values())
        row.status, row.ended_ms, row.exit = "dead", row.created_ms, {"reason": "unknown"}
        if row.transport == "ipc" and not os.path.isabs(row.ip or ""):
            row.notices = [LOST]
        batch = Batch(row.created_ms)
        batch.runtimes[row.id] = row
        self._supervisor.parts.recorder.commit(batch)
        self._supervisor.rows[row.id] = row

    async def _adopt(self, file: ConnectionFile, row: RuntimeRow, *, is_new: bool) -> None:
        """Connect to the kernel, in a new runtime or in the one that it was before."""
        file = await self._located(file)
        scan = await self._scans.next()
        process = await asyncio.to_thread(identity.find_process, file, scan)
        if isinstance(process, identity.Stranger):
            self._rejections.tell_of(file, process.reason)
            self._note_end(row)
            return
        await self._supervisor.keeper()
        actor = self._enter(row)
        actor.starts_wanted += 1
        try:
            async with actor.lifecycle:
                if actor.state.is_connected:
                    # It was found by its file and by its end, and the other was first; or a daemon
                    # before this one was, and did not live to hear it answer.
                    await self._settle(actor)
                    return
                actor.state.is_starting = actor.state.is_fresh = True
                adopted.describe(row, process)
                if file.directory is not None:
                    row.ip = os.path.join(file.directory, file.ip)
                if is_new:
                    row.record = record_of(self._supervisor.parts, row)
                incarnation = await self._open(actor)
                actor.state.is_starting = False
                self.ownership.is_due.set()
                await self._confirm(actor, incarnation)
        finally:
            actor.starts_wanted -= 1
            actor.state.is_starting = False
            actor.ring()
        await self._take_from_spec(actor)

    def _enter(self, row: RuntimeRow) -> Actor:
        """Enter a runtime into the table as one that lives, by a name that no other has."""
        if row.id not in self._supervisor.actors:
            adopted.give_name(row, self._supervisor.rows.values())
        return self._supervisor.enter(row)

    async def _open(self, actor: Actor) -> int:
        """Have the keeper connect; return the incarnation."""
        row = actor.row
        row.status, row.ended_ms, row.exit = "starting", None, None
        actor.messenger.new_key()
        try:
            actor.save()
            await actor.apply_record()
            return int((await actor.messenger.open())["incarnation"])
        except (KeeperUnavailable, StoreUnavailable, Refused):
            _end(actor)  # the next look at the connection files tries again
            raise

    async def _confirm(self, actor: Actor, incarnation: int) -> None:
        """See it answer, or end it: it is not starting any more after this.

        One whose control is silent is asked on its shell, and may be busy. Where no process is
        known, nobody tells of its end but the connection.
        """
        row, state = actor.row, actor.state

        def is_lost() -> bool:
            return state.lost_incarnation == incarnation

        def has_ended() -> bool:
            return is_lost() if row.pid is None else actor.ended_pid == row.pid

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONTROL_SILENCE_S):
                await actor.until(
                    lambda: row.status in ("alive", "dead") or has_ended() or is_lost()
                )
        if row.status == "dead":
            return
        if has_ended() or (row.pid is None and not state.is_connected):
            _end(actor)
            self._lost(row)
        elif row.status != "alive":
            if UNCONFIRMED not in row.notices:
                row.notices.append(UNCONFIRMED)
            row.status = "unresponsive"
            actor.save()
            if state.is_connected:
                actor.messenger.try_kernel_info()
                await probe(actor)
            else:
                self._lost(row)  # one that starts listens at one of its addresses after the other

    async def _settle(self, actor: Actor) -> None:
        """Confirm or end what is starting, and has nobody any more who would."""
        if actor.row.status == "starting":
            await self._confirm(actor, actor.row.incarnation)

    async def _take_from_spec(self, actor: Actor) -> None:
        """Note what its kernelspec says: how to interrupt it; if it is mute, its language."""
        row = actor.row
        try:
            specs = await self._finder.find(launch.own_environment())
        except (FindingFailed, OSError) as error:
            log.info("its kernelspec is not known: %s", error, extra=about(row.id))
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
                if await connection_files.listens(await self._located(file)):
                    await self._adopt(file, row, is_new=False)
                    if self._is_held(row):
                        return
                self.end_unwatched(row)
                await asyncio.sleep(delay_s)
            if not self._is_held(row):
                self.end_unwatched(row)
            if (actor := self._supervisor.actors.get(row.id)) is not None:
                async with actor.lifecycle:
                    await self._settle(actor)
        except (KeeperUnavailable, StoreUnavailable, ShuttingDown, Refused) as error:
            log.warning("it is not adopted again now: %s", error, extra=about(row.id))
        finally:
            self._taken.discard(row.id)

    def _is_held(self, row: RuntimeRow) -> bool:
        """Say whether it lives, and we are connected: then somebody hears of its end."""
        actor = self._supervisor.actors.get(row.id)
        return actor is not None and row.status != "dead" and actor.state.is_connected

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
