"""Committed events, on their way to subscribers.

The hub gets only what the store has: what a subscriber saw survives a crash. A subscription
first reads the store from its cursor, then joins the live queue in the same step of the loop in
which the store had nothing more for it: nothing is missed and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING

from runtimed.api.errors import StaleCursor
from runtimed.model.times import rfc3339
from runtimed.store import events

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from runtimed.api.events import Event
    from runtimed.config import Config
    from runtimed.store.db import Store
    from runtimed.store.events import EventRow

#: How many events one look into the store fetches for a subscriber that catches up.
PAGE = 500
#: How many events one look passes over, where it wants some types only: no index finds those.
STRETCH = 20_000
#: An event's own members beside its data, roughly; counts towards a subscriber's bytes.
EVENT_OVERHEAD_BYTES = 200

_ids = itertools.count(1)


class Hub:
    """All live subscriptions. Owned by the daemon; only the recorder publishes."""

    def __init__(self, store: Store, config: Config) -> None:
        self.store = store
        self.max_events = config.subscriber_events
        self.max_bytes = config.subscriber_bytes
        self.seq = store.read(events.last_seq)
        self._live: set[Subscription] = set()
        self.on_publish: Callable[[], None] = lambda: None
        """Called after each commit that published something."""

    @property
    def cursor(self) -> str:
        """The cursor after the newest event."""
        return self.cursor_at(self.seq)

    def cursor_at(self, seq: int) -> str:
        return f"{self.store.epoch}.{seq}"

    def publish(self, rows: Sequence[EventRow]) -> None:
        """Hand on events that were just committed; never waits for a subscriber."""
        self.seq = rows[-1].seq
        for subscription in list(self._live):
            subscription.offer(rows)
        self.on_publish()

    def subscribe(
        self,
        since: str | None,
        *,
        runtime_id: str | None = None,
        execution_id: str | None = None,
        notebook_id: str | None = None,
        types: Sequence[str] | None = None,
    ) -> Subscription:
        """Begin a subscription after the cursor; None begins with what comes next.

        Raises `StaleCursor` for a cursor of another epoch, or of the future.
        """
        subscription = Subscription(
            self,
            self._position(since),
            runtime_id=runtime_id,
            execution_id=execution_id,
            notebook_id=notebook_id,
            types=types,
        )
        if subscription.position == self.seq:
            self.join(subscription)
        return subscription

    def _position(self, since: str | None) -> int:
        if since is None:
            return self.seq
        if since == "start":
            return 0
        epoch, _, seq = since.partition(".")
        if epoch != self.store.epoch:
            raise StaleCursor(cursor=since, detail="it is of another epoch")
        # Thousands of digits would be an error of int() itself.
        if not (seq.isascii() and seq.isdecimal() and len(seq) < 20) or int(seq) > self.seq:
            raise StaleCursor(cursor=since, detail="it lies beyond the newest event")
        return int(seq)

    def join(self, subscription: Subscription) -> None:
        self._live.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        self._live.discard(subscription)

    def is_live(self, subscription: Subscription) -> bool:
        return subscription in self._live


class Subscription:
    """One subscriber's place in the order of events. Iterate it; close it when it is over.

    A subscriber that falls too far behind is ended by one ``lagged`` event, whose cursor it can
    resume from: nobody waits for it, and it loses nothing.
    """

    def __init__(
        self,
        hub: Hub,
        position: int,
        *,
        runtime_id: str | None,
        execution_id: str | None,
        notebook_id: str | None,
        types: Sequence[str] | None,
    ) -> None:
        self.id = f"s{next(_ids)}"
        self.position = position
        self._hub = hub
        self._runtime_id = runtime_id
        self._execution_id = execution_id
        self._notebook_id = notebook_id
        self._types = None if types is None else tuple(types)
        self._queue: deque[EventRow] = deque()
        self._queued_bytes = 0
        self._lagged = False
        self._nudged = False
        self._closed = False
        self._wake = asyncio.Event()
        self._prefix = f'{{"subscription":"{self.id}",'.encode()

    @property
    def cursor(self) -> str:
        """The cursor after what this subscription has yielded."""
        return self._hub.cursor_at(self.position)

    def offer(self, rows: Sequence[EventRow]) -> None:
        """Queue what fits of just committed events, or note that it has lagged.

        Only what was queued before counts: however much is committed at once, a subscriber that
        has taken all the rest has not lagged.
        """
        fitting = [row for row in rows if self._fits(row)]
        if fitting and (
            len(self._queue) > self._hub.max_events or self._queued_bytes > self._hub.max_bytes
        ):
            self._lagged = True
            self._queue.clear()
            self._hub.leave(self)
        else:
            self._queue.extend(fitting)
            self._queued_bytes += sum(len(row.data) + EVENT_OVERHEAD_BYTES for row in fitting)
        if self._queue or self._lagged:
            self._wake.set()

    def _fits(self, row: EventRow) -> bool:
        if self._execution_id is not None and row.execution_id != self._execution_id:
            return False
        if self._runtime_id is not None and row.runtime_id != self._runtime_id:
            return False
        if self._notebook_id is not None and row.notebook_id != self._notebook_id:
            return False
        return self._types is None or row.type in self._types

    async def __aiter__(self) -> AsyncGenerator[list[bytes | Event], None]:
        async for page in self._stored():
            yield page
        while not self._closed:
            if self._lagged:
                yield [self._lagged_event()]
                return
            if not self._queue:
                if self._nudged:
                    self._nudged = False
                    yield []
                    continue
                self._wake.clear()
                await self._wake.wait()
                continue
            rows = list(self._queue)
            self._queue.clear()
            self._queued_bytes = 0
            self.position = rows[-1].seq
            yield self._encode(rows)

    async def _stored(self) -> AsyncIterator[list[bytes | Event]]:
        """Yield what the store has after the position; joins the live queue at its end."""
        while not self._closed and not self._hub.is_live(self) and not self._lagged:
            newest = self._hub.seq
            until = newest if self._types is None else min(newest, self.position + STRETCH)
            rows, is_all = self._hub.store.read(
                events.after,
                self.position,
                runtime_id=self._runtime_id,
                execution_id=self._execution_id,
                notebook_id=self._notebook_id,
                types=self._types,
                until=until,
                limit=PAGE,
            )
            self.position = until if is_all else rows[-1].seq
            if is_all and until == newest:
                self._hub.join(self)
            if rows:
                yield self._encode(rows)
            await asyncio.sleep(0)  # a long catch-up takes turns with everybody else

    def _encode(self, rows: Sequence[EventRow]) -> list[bytes | Event]:
        epoch = self._hub.store.epoch
        return [self._prefix + row.wire(epoch) for row in rows]

    def _lagged_event(self) -> bytes:
        at = rfc3339(time.time_ns() // 1_000_000)
        return (
            self._prefix
            + (
                f'"seq":{self.position},"cursor":"{self.cursor}","at":"{at}",'
                '"type":"lagged","runtime":null,"execution":null,"notebook":null,"data":{}}'
            ).encode()
        )

    def nudge(self) -> None:
        """Have it yield a page without events once there is nothing else that it could yield."""
        self._nudged = True
        self._wake.set()

    def close(self) -> None:
        """End the subscription; iteration stops."""
        self._closed = True
        self._hub.leave(self)
        self._wake.set()
