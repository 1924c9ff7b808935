"""The composition root: build the parts, run them, stop them in order.

Stop order: stop accepting, end waits and subscriptions, finish calls, let actors and the link to
the keeper go (kernels live on), move the log into the database, close it, release the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING

from runtimed.api.errors import KeeperUnavailable, StoreUnavailable
from runtimed.config import BadSetting, load
from runtimed.host import settle_memory
from runtimed.hub import Hub
from runtimed.kernels.adoption import Adopter
from runtimed.kernels.clock import now_ms
from runtimed.kernels.link import Refused
from runtimed.kernels.starter import Starter
from runtimed.kernels.supervisor import Supervisor
from runtimed.recorder import Recorder
from runtimed.reporting import Reporter
from runtimed.server.dispatch import Dispatcher
from runtimed.server.hall import Limits
from runtimed.server.unix import UnixServer
from runtimed.service.context import Context
from runtimed.service.handlers import HANDLERS
from runtimed.service.history_index import HistoryIndex
from runtimed.service.retention import Retention
from runtimed.store.blobs import Blobs
from runtimed.store.db import Store
from runtimed.supervision import ServiceManager

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from runtimed.config import Loaded, Reloaded
    from runtimed.paths import State

log = logging.getLogger(__name__)

#: How long calls may take to finish when the daemon stops.
GRACE_S = 5.0


class Daemon:
    """One daemon over one state directory and one socket."""

    def __init__(
        self,
        config: Loaded,
        state: State,
        socket_path: str,
        listener: socket.socket | None = None,
    ) -> None:
        """Open the store; ``listener`` is the socket, where a service manager has opened it.

        Raises `StoreUnavailable`, `TooNew` or `BadSetting`.
        """
        self._config = config
        self._state = state
        self._socket_path = socket_path
        self._listener = listener
        self._store = Store(state.database, config)
        blobs = Blobs(state.blobs, config.blob_limit_bytes)
        hub = Hub(self._store, config)
        recorder = Recorder(self._store, hub)
        self._supervisor = Supervisor(recorder, blobs, config, state)
        self._index = HistoryIndex(self._store, recorder, state.search)
        self._retention = Retention(recorder, blobs, self._index, config)
        self._reporter = Reporter(ServiceManager(), self._supervisor)
        starter = Starter(self._supervisor)
        self._adopter = Adopter(self._supervisor, starter.finder)
        self._stop = asyncio.Event()
        self._stops_kernels = False
        self._context = Context(
            store=self._store,
            blobs=blobs,
            hub=hub,
            index=self._index,
            retention=self._retention,
            supervisor=self._supervisor,
            starter=starter,
            adopter=self._adopter,
            config=config,
            state=state,
            socket_path=socket_path,
            started_ms=now_ms(),
            request_stop=self._request_stop,
            reload=self.reload,
        )

    def _request_stop(self, kernels: bool) -> None:
        self._stops_kernels = kernels
        self._stop.set()

    def reload(self) -> Reloaded:
        """Read the settings again. Raises `BadSetting`; then they stay as they are."""
        self._reporter.reloading()
        try:
            fresh = load()
        except BadSetting as error:
            log.error("the settings stay as they are: %s", error)
            self._reporter.reloaded(str(error))
            raise
        done = self._config.take(fresh)
        logging.getLogger().setLevel(self._config.log_level)
        log.info("settings read again: %s", done)
        self._reporter.reloaded(None)
        return done

    def _hang_up(self) -> None:
        """Act on SIGHUP: from a terminal it says that it has gone, else it asks for a reload."""
        if os.isatty(0):
            self._stop.set()
        else:
            with contextlib.suppress(BadSetting):
                self.reload()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until a signal or ``daemon.stop``; ``ready`` is called when it answers.

        Raises `UnsafePath`, `AlreadyServed` or `OSError` where the socket cannot be bound.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self._supervisor.load()
        async with asyncio.TaskGroup() as tasks:
            line_bytes = self._config.max_request_bytes
            limits = Limits(
                line_bytes=line_bytes,
                unended_bytes=4 * line_bytes,
                batch=self._config.max_batch,
                event_heartbeat_s=self._config.event_heartbeat_s,
                http_head_s=self._config.http_head_s,
                http_idle_s=self._config.http_idle_s,
            )
            # The first caller may name a kernel that runs, or ask what became of one.
            looks = (self._supervisor.has_caught_up, self._adopter.has_looked)
            dispatcher = Dispatcher(self._context, HANDLERS, looks)
            server = UnixServer(self._socket_path, dispatcher, tasks, limits, self._listener)
            await server.start()
            runtimes = tasks.create_task(self._supervisor.run(), name="supervisor")
            adoption = tasks.create_task(self._adopter.run(), name="adopter")
            indexing = tasks.create_task(self._index.run(), name="history index")
            retention = tasks.create_task(self._retention.run(), name="retention")
            settle_memory()
            watchdogs = tasks.create_task(self._reporter.feed_watchdogs(), name="watchdogs")
            ready()
            self._reporter.ready(self._context.hub)
            log.info("answering at %s", self._socket_path)
            await self._stop.wait()
            log.info("stopping")
            self._reporter.stopping()
            os.truncate(self._state.daemon_lock, 0)
            await server.stop(GRACE_S)
            adoption.cancel()
            indexing.cancel()
            retention.cancel()
            if self._stops_kernels:
                await self._end_kernels()
            runtimes.cancel()
            watchdogs.cancel()
        with contextlib.suppress(StoreUnavailable):
            self._store.checkpoint()
        await asyncio.to_thread(self._index.search.close)
        self._store.close()

    async def _end_kernels(self) -> None:
        """End the keeper and all kernels that it started, and take in what it says of that."""
        try:
            await self._supervisor.end_all()
        except (KeeperUnavailable, Refused) as error:
            log.error("the kernels were not ended: %s", error)
