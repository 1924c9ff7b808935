"""Take a runtime's journal into the store, as far as it goes and as long as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from runtimed.api.errors import KeeperUnavailable, StoreUnavailable
from runtimed.host import Step, passing
from runtimed.kernels.clock import now_ms
from runtimed.kernels.prepare import is_large, prepare
from runtimed.logs import about
from runtimed.recorder import Batch
from runtimed.wire.journal import CorruptRecord, Event, Kind
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
    from runtimed.kernels.effects import Effect
    from runtimed.kernels.prepare import Prepared
    from runtimed.wire.journal import Record

log = logging.getLogger(__name__)

#: How soon a commit is tried again.
RETRY_S = 1.0


class Reading:
    """How one actor reads its journal. Part of it, and called in its task alone.

    ``end`` is how far the journal reaches, by the keeper's last word in this connection to it.
    """

    def __init__(self, actor: Actor) -> None:
        self.end: int | None = None
        self._actor = actor

    async def catch_up(self) -> None:
        """Take in all that the journal has."""
        actor, reader = self._actor, self._actor.reader
        while self.end is None or reader.offset < self.end:
            try:
                records = reader.read()
            except (CorruptRecord, OSError) as error:
                if await self._skip_damage(str(error)):
                    continue
                return
            if not records:
                if self.end is None or not await self._skip_damage("a part of it is gone"):
                    return
                continue
            passing(Step.RECORDS_READ)
            end = records[-1].end
            with actor.parts.blobs.claiming():
                effects = await self._take_in(records)
            del records
            # Not before: others save this row too, and what was not taken in is not to be dropped.
            reader.offset = actor.row.journal_offset = end
            actor.act(effects)
            if reader.offset != self.end:
                await asyncio.sleep(0)  # what takes long takes turns with everybody else

    async def _take_in(self, records: list[Record]) -> list[Effect]:
        """Commit what the records say; return what is to be done about it."""
        actor = self._actor
        # First all that waits, then all that changes: between taking a record in and its
        # commit nobody else gets a turn.
        prepared = [await self._prepare(record) for record in records]
        batch = Batch(now_ms())
        effects: list[Effect] = []
        for each in prepared:
            effects += actor.intake.take(each, batch)
        batch.offsets[actor.row.id] = records[-1].end
        await self.commit_at_last(batch)
        return effects

    async def _skip_damage(self, error: str) -> bool:
        """Go on behind a part of the journal that cannot be read, with a gap on the record.

        Where the next record begins is known at the beginning of a segment only; the keeper is
        asked for a new one, unless there is one.
        """
        actor, reader = self._actor, self._actor.reader
        log.error(
            "its journal cannot be read at %d: %s", reader.offset, error, extra=about(actor.row.id)
        )
        following = reader.next_segment()
        if following is None:
            with contextlib.suppress(KeeperUnavailable):
                actor.messenger.request(Op.ROTATE)
            return False
        batch = Batch(now_ms())
        # That it was sent may be in what cannot be read.
        damage = {"reason": "journal_damaged"}
        actor.intake.gap(damage, actor.state.in_flight, batch.now_ms, batch)
        batch.offsets[actor.row.id] = following
        await self.commit_at_last(batch)
        actor.row.journal_offset = following
        reader.seek(following)
        return True

    async def _prepare(self, record: Record) -> Prepared:
        await self._explain_kill(record)
        blobs, signer = self._actor.parts.blobs, self._actor.messenger.signer
        while True:
            try:
                if is_large(record, blobs.limit_bytes):
                    return await asyncio.to_thread(prepare, record, signer, blobs)
                return prepare(record, signer, blobs)
            except StoreUnavailable as error:
                log.error("%s; trying again", error, extra=about(self._actor.row.id))
                await asyncio.sleep(RETRY_S)

    async def _explain_kill(self, record: Record) -> None:
        """Ask the service manager about a kernel that was killed by nobody knows whom.

        What kills for it when memory runs out (systemd-oomd(8)) leaves no count with the kernel.
        """
        meta = record.meta
        if record.kind != Kind.EVENT or meta.get("event") != Event.EXITED or meta.get("oom"):
            return
        scope, actor = meta.get("scope"), self._actor
        if scope and meta.get("signal") == signal.SIGKILL and actor.state.signalled is None:
            meta["oom"] = await actor.parts.scopes.ran_out_of_memory(scope)

    async def commit_at_last(self, batch: Batch) -> None:
        """Commit what has happened; while the store cannot take it, nothing else is read."""
        while True:
            try:
                self._actor.parts.recorder.commit(batch)
                return
            except StoreUnavailable as error:
                log.error("%s; trying again", error, extra=about(self._actor.row.id))
                await asyncio.sleep(RETRY_S)

    async def caught_up(self) -> None:
        """Wait until all that the journal has now is taken in; called by others than the actor."""
        reader = self._actor.reader
        end = reader.written_end()
        self._actor.ring()
        await self._actor.until(lambda: reader.offset >= end)
