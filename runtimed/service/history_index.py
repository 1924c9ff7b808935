"""Keeps the search index up to date, behind the executions and out of their way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from runtimed.api.errors import StoreUnavailable
from runtimed.store import forgetting, history
from runtimed.store.db import delete_meta, set_meta
from runtimed.store.search import SearchIndex

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

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
#: Said of a log that could not be emptied.
READ_FROM = (
    "another program reads from the database: what was forgotten may be in its log still, which is "
    "emptied when that has ended"
)
#: The database notes by it that what is in the index is not to be there.
_RENEWAL = "search.renewal"


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
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why it could not be used the last time that it was; None where it could."""
        return self._problem

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable as error:
            self._problem = str(error.data["detail"])
            raise
        self._problem = None

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
        """Wait until what has ended by now is entered; not where the index is far behind.

        Where it cannot be written, what is in it can be found all the same.
        """
        try:
            if await self.behind() <= WORTH_WAITING:
                await self._enter_all()
        except StoreUnavailable as error:
            log.warning("the search index could not be written: %s", error)

    async def behind(self) -> int:
        """Return how many executions are not entered yet. Raises `StoreUnavailable`."""
        newest = self._newest()
        with self._noting():
            mark, _ = await asyncio.to_thread(self.search.progress, newest)
        return newest - mark

    def size_bytes(self) -> int:
        """Return how much room it takes, as far as that can be said; call it from a thread."""
        try:
            return self.search.size_bytes()
        except StoreUnavailable:
            return 0

    def _newest(self) -> int:
        return self._store.read(history.newest)

    async def _enter_all(self) -> None:
        has_more = True
        while has_more:
            async with self._turn:  # who forgets, gets it between two steps
                with self._noting():
                    await self._renew_if_due()
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

    async def _renew_if_due(self) -> None:
        if self._store.meta(_RENEWAL) is None:
            return
        await asyncio.to_thread(self.search.begin_anew)
        self._store.write(delete_meta, _RENEWAL)

    @contextlib.asynccontextmanager
    async def forgetting(self, what: Forgettable) -> AsyncIterator[str | None]:
        """Take out executions that are removed from the database within: here first.

        A crash in between leaves them in the database, to be forgotten again, and not only here.
        What it gives is said to who forgets: what may be left of them here for a while, and why.
        """
        async with self._turn:
            left = self._store.read(forgetting.newest_left, what)
            said = None
            try:
                with self._noting():
                    if not await asyncio.to_thread(self.search.forget, what.numbers, left):
                        said = READ_FROM
            except StoreUnavailable as error:
                # Of what is in it, nothing is to be trusted: it is made of what is left.
                self._store.write(set_meta, _RENEWAL, "due")
                detail = error.data["detail"]
                said = f"the search index has it still, and is made anew when it can be ({detail})"
            yield said

    async def shed(self, numbers: Sequence[int]) -> None:
        """Take out what executions have put out, where that was removed."""
        async with self._turn:
            try:
                with self._noting():
                    await asyncio.to_thread(self.search.shed, numbers)
            except StoreUnavailable as error:
                log.warning("the search index is made anew when it can be: %s", error)
                self._store.write(set_meta, _RENEWAL, "due")

    async def truncate_log(self) -> None:
        """Try once more to empty its log, where it was not. Raises `StoreUnavailable`."""
        if self.search.has_log_left:
            await asyncio.to_thread(self.search.truncate_log, 0.0)
