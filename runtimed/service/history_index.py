"""Keeps the search index up to date, behind the executions and out of their way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from runtimed.api.errors import StoreUnavailable
from runtimed.store import forgetting, history
from runtimed.store.search import SearchIndex

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from runtimed.recorder import Recorder
    from runtimed.store.db import Connection, Store
    from runtimed.store.forgetting import Forgettable

log = logging.getLogger(__name__)

#: When nothing has ended for so long, what has is entered; whoever searches does not wait for it.
QUIET_S = 1.0
#: However busy it is, it is entered after so many times that.
MOST_TURNS = 20
#: One step enters so many at most: nobody who searches waits for longer.
STEP, STEP_CHARS = 200, 512 * 1024
#: Who searches waits for that much to be entered; with more behind, it is being made anew.
WORTH_WAITING = 2 * STEP


class HistoryIndex:
    """The search index and the task that fills it. Owned by the daemon.

    What is entered, and what is not, is in the index itself: after a crash it goes on from there,
    as it does where the database is from before there was an index.
    """

    def __init__(self, store: Store, recorder: Recorder, path: str) -> None:
        self.search = SearchIndex(path, store.epoch)
        self._store = store
        self._settled = recorder.settled
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Enter what has ended, for as long as the daemon lives."""
        while True:
            try:
                await self._enter_all()
            except StoreUnavailable as error:
                log.warning("the search index could not be written: %s", error)
            await self._settled.wait()
            for _ in range(MOST_TURNS):
                self._settled.clear()
                await asyncio.sleep(QUIET_S)
                if not self._settled.is_set():
                    break

    async def caught_up(self) -> None:
        """Wait until what has ended by now is entered; not where the index is far behind."""
        if await self.behind() <= WORTH_WAITING:
            await self._enter_all()

    async def behind(self) -> int:
        """Return how many executions are not entered yet."""
        newest = self._newest()
        mark, _ = await asyncio.to_thread(self.search.progress, newest)
        return newest - mark

    def _newest(self) -> int:
        return self._store.read(history.newest)

    async def _enter_all(self) -> None:
        has_more = True
        while has_more:
            async with self._turn:  # who forgets, gets it between two steps
                has_more = await asyncio.to_thread(self._enter, self._newest())

    def _enter(self, newest: int) -> bool:
        mark, unfinished = self.search.progress(newest)

        def read(db: Connection) -> bool:
            entries, reached = history.unentered(
                db, mark, unfinished, limit=STEP, max_chars=STEP_CHARS
            )
            if entries:
                self.search.enter(entries, reached)
            return bool(entries)

        return self._store.read_apart(read)

    @contextlib.asynccontextmanager
    async def forgetting(self, what: Forgettable) -> AsyncIterator[None]:
        """Take out executions that are removed from the database within: here first.

        A crash in between leaves them in the database, to be forgotten again, and not only here.
        """
        async with self._turn:
            left = self._store.read(forgetting.newest_left, what)
            await asyncio.to_thread(self.search.forget, what.numbers, left)
            yield

    async def shed(self, numbers: Sequence[int]) -> None:
        """Take out what executions have put out, where that was removed."""
        async with self._turn:
            await asyncio.to_thread(self.search.shed, numbers)
