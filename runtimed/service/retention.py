"""Keep what is stored within its limit, by itself and in small steps.

The oldest outputs of others go first, then the oldest of ours. Each step is a short transaction
of the one writer; between two of them everybody else has a turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import time
from typing import TYPE_CHECKING

from runtimed.api.errors import StoreUnavailable
from runtimed.api.history import Collected
from runtimed.api.history import Retention as Kept
from runtimed.kernels.clock import now_ms
from runtimed.model.times import rfc3339
from runtimed.recorder import WEIGHED_BYTES, Batch
from runtimed.store import blobs, retention

if TYPE_CHECKING:
    from runtimed.config import Config
    from runtimed.recorder import Recorder
    from runtimed.service.history_index import HistoryIndex
    from runtimed.store.blobs import Blobs
    from runtimed.store.db import Connection
    from runtimed.store.retention import Plan, Removable

log = logging.getLogger(__name__)

#: Where the limit is passed, room is made until so much of it is used, to be left alone a while.
_TARGET_PERCENT = 90
#: The disk and the settings may change while nothing is stored.
_LOOK_S = 3600.0
#: Between two steps the loop is left alone for so long, for each second that a step took.
_REST = 4.0
#: Blobs that nobody refers to are looked at so often, until they are old enough to go.
_SWEEP_S = blobs.SETTLED_S / 10
#: Logs that are read from are tried to be emptied so often.
_LOG_S = 10.0
#: Where what cannot go takes all of the limit, so much of it is left for outputs.
_SPARED_PERCENT = 10
#: However small the limit is, it is looked not more often than after so much.
_LEAST_WEIGHED_BYTES = 64 * 1024
#: So many executions are taken out of the search index at a time.
_STEP = 100
REASON = "to make room"


def stuck(unremovable_bytes: int, limit_bytes: int) -> str:
    """Return in a sentence why the limit is not kept."""
    return (
        f"pinned and unfinished executions, what open notebooks show, and code alone take "
        f"{unremovable_bytes} bytes of at most {limit_bytes}; nothing more can go"
    )


def retention_said(kept: Kept) -> str:
    """Return `ok`, or why the limit is not kept."""
    if kept.unremovable_bytes is None:
        return "ok"
    return stuck(kept.unremovable_bytes, kept.limit_bytes)


class Retention:
    """The task that makes room. Owned by the daemon."""

    def __init__(
        self, recorder: Recorder, files: Blobs, index: HistoryIndex, config: Config
    ) -> None:
        self._recorder = recorder
        self._store = recorder.store
        self._blobs = files
        self._index = index
        self._config = config
        self._turn = asyncio.Lock()
        self._unremovable_bytes: int | None = None
        """What cannot go, as it was last looked, where that alone is above the limit."""

    async def run(self) -> None:
        """Make room where it is needed, for as long as the daemon lives."""
        while True:
            self._recorder.has_grown.clear()
            pause_s = _LOOK_S
            try:
                done = await self.collect()
                if done.executions:
                    log.info(
                        "made room: outputs of %d executions, %d bytes",
                        done.executions,
                        done.size_bytes,
                    )
                if (done.after or done.before).leaving_bytes:
                    pause_s = _SWEEP_S
                if await self._has_logs_left():
                    pause_s = _LOG_S
            except StoreUnavailable as error:
                log.warning("no room could be made: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._recorder.has_grown.wait()

    async def _has_logs_left(self) -> bool:
        """Empty the logs that have in them what was forgotten; return whether one could not be."""
        if self._store.has_log_left:
            await asyncio.to_thread(self._store.truncate_log, 0.0)
        await self._index.truncate_log()
        return self._store.has_log_left or self._index.search.has_log_left

    async def kept(self) -> Kept:
        """Return how much is kept, and how much may be."""
        kept = await asyncio.to_thread(self._kept)
        self._recorder.weighed_bytes = min(
            WEIGHED_BYTES, max(kept.limit_bytes // 8, _LEAST_WEIGHED_BYTES)
        )
        return kept

    def _kept(self) -> Kept:
        disk = os.statvfs(os.path.dirname(self._store.path))
        disk_bytes = disk.f_blocks * disk.f_frsize
        config = self._config

        def look(db: Connection) -> tuple[int, int]:
            leaving_bytes = blobs.unused_bytes(db)
            return (
                retention.database_bytes(db) + blobs.total_bytes(db) - leaving_bytes,
                leaving_bytes,
            )

        used_bytes, leaving_bytes = self._store.read_apart(look)
        used_bytes += self._index.size_bytes()
        limit_bytes = min(config.retention_bytes, disk_bytes * config.retention_percent // 100)
        is_over = used_bytes > limit_bytes
        return Kept(
            used_bytes=used_bytes,
            limit_bytes=limit_bytes,
            leaving_bytes=leaving_bytes,
            unremovable_bytes=self._unremovable_bytes if is_over else None,
            retention_bytes=config.retention_bytes,
            retention_percent=config.retention_percent,
            disk_bytes=disk_bytes,
        )

    async def collect(self, *, dry_run: bool = False) -> Collected:
        """Make room until what is kept is within its limit. Raises `StoreUnavailable`."""
        async with self._turn:
            if not dry_run:
                await self._sweep()
            before = after = await self.kept()
            done = Collected(
                dry_run=dry_run, executions=0, foreign=0, size_bytes=0, before=before, after=None
            )
            # Once is enough, unless much less was freed than what was removed had taken.
            while after.used_bytes > after.limit_bytes:
                plan = await asyncio.to_thread(self._plan, after)
                done.executions += len(plan.numbers)
                done.foreign += plan.foreign
                done.size_bytes += plan.size_bytes
                if dry_run:
                    before.unremovable_bytes = self._unremovable_bytes
                    return done
                await self._carry_out(plan)
                await self._give_back()
                after = done.after = await self.kept()
                if not plan.numbers or self._unremovable_bytes is not None:
                    return done
            self._unremovable_bytes = None
            return done

    def _plan(self, now: Kept) -> Plan:
        """Return what goes, in a thread: outputs that go in vain are kept.

        Where the limit is passed without them, it is kept as well as it can be: a part of it is
        left for what is newest.
        """
        target_bytes = now.limit_bytes * _TARGET_PERCENT // 100
        plan = self._store.read_apart(retention.plan, now.used_bytes - target_bytes)
        unremovable_bytes = now.used_bytes - plan.size_bytes
        if unremovable_bytes > now.limit_bytes:
            plan.spare(now.limit_bytes * _SPARED_PERCENT // 100)
            if self._unremovable_bytes is None:
                log.warning("%s", stuck(unremovable_bytes, now.limit_bytes))
            self._unremovable_bytes = unremovable_bytes
            return plan
        self._unremovable_bytes = None
        if unremovable_bytes > target_bytes:
            plan.cut(now.used_bytes - now.limit_bytes)
        return plan

    async def _carry_out(self, plan: Plan) -> None:
        """Remove what is planned, except what was pinned meanwhile."""
        planned = zip(plan.numbers, plan.sizes_bytes, strict=True)
        while some := list(itertools.islice(planned, _STEP)):
            for number, size_bytes in some:
                what = self._store.read(retention.still_removable, number, size_bytes)
                if what is not None:
                    await self._remove(what)
            await self._index.shed([number for number, _ in some])

    async def _remove(self, what: Removable) -> None:
        """Remove the outputs of one execution: its tombstone, then piece by piece."""
        batch = Batch(now_ms())
        tombstone = {
            "at": rfc3339(batch.now_ms),
            "reason": REASON,
            "size_bytes": what.size_bytes,
        }
        batch.write(lambda db: retention.mark_removed(db, what, batch.now_ms, REASON))
        batch.event("execution", what.runtime_id, what.id, {"outputs_removed": tombstone})
        self._recorder.commit(batch)
        is_done = False
        while not is_done:
            begin = time.monotonic()
            is_done = self._store.write(retention.remove_some, what.id)
            await asyncio.sleep((time.monotonic() - begin) * _REST)
        for sha256 in self._store.write(retention.leave_blobs, what.id):
            await self._drop(sha256)

    async def _sweep(self) -> None:
        """Remove blobs that nobody refers to: what was left because it was young."""
        for sha256, _ in await asyncio.to_thread(self._store.read_apart, blobs.unused):
            await self._drop(sha256)

    async def _drop(self, sha256: str) -> None:
        """Remove a blob, unless it is so young that somebody may be about to refer to it."""
        gone = await asyncio.to_thread(self._blobs.remove_settled, sha256, time.time())
        if gone:
            self._store.write(blobs.drop, sha256)

    async def _give_back(self) -> None:
        has_more = True
        while has_more:
            begin = time.monotonic()
            has_more = self._store.write(retention.give_back)
            await asyncio.sleep((time.monotonic() - begin) * _REST)
