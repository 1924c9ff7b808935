"""The composition root: build the parts, run them, stop them in order.

Stop order: stop accepting, end waits and subscriptions, finish calls, let actors and the link to
the keeper go (kernels live on), move the log into the database, close it, release the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from runtimed.api.errors import KeeperUnavailable, StoreUnavailable
from runtimed.host import ServiceManager, settle_memory
from runtimed.hub import Hub
from runtimed.kernels.adoption import Adopter
from runtimed.kernels.clock import now_ms
from runtimed.kernels.link import Refused
from runtimed.kernels.starter import Starter
from runtimed.kernels.supervisor import Supervisor
from runtimed.recorder import Recorder
from runtimed.server.dispatch import Dispatcher
from runtimed.server.hall import Limits
from runtimed.server.unix import UnixServer
from runtimed.service.context import Context
from runtimed.service.handlers import HANDLERS
from runtimed.store.blobs import Blobs
from runtimed.store.db import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtimed.config import Config
    from runtimed.paths import State

log = logging.getLogger(__name__)

#: How long calls may take to finish when the daemon stops.
GRACE_S = 5.0
#: How long a daemon that is stopping may still hold the lock when its successor comes.
LOCK_WAIT_S = 10.0


class AlreadyRunning(Exception):
    """Another daemon has this state directory."""


@contextlib.contextmanager
def only_one(state: State) -> Iterator[None]:
    """Hold the daemon's lock. Raises `AlreadyRunning`, with the pid of who holds it."""
    fd = os.open(state.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(fd, state)
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, state: State) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        # One that is stopping has said so by emptying the file: it is waited for.
        if holder or time.monotonic() > deadline:
            raise AlreadyRunning(
                f"another runtimed (pid {holder or 'unknown'}) uses {state.dir}"
            ) from None
        time.sleep(0.02)


class Daemon:
    """One daemon over one state directory and one socket."""

    def __init__(self, config: Config, state: State, socket_path: str) -> None:
        """Open the store. Raises `StoreUnavailable` or `TooNew`."""
        self._config = config
        self._state = state
        self._socket_path = socket_path
        self._manager = ServiceManager()
        self._store = Store(state.database, config)
        blobs = Blobs(state.blobs, config.blob_limit_bytes)
        hub = Hub(self._store, config)
        self._supervisor = Supervisor(Recorder(self._store, hub), blobs, config, state)
        starter = Starter(self._supervisor)
        self._adopter = Adopter(self._supervisor, starter.finder)
        self._stop = asyncio.Event()
        self._stops_kernels = False
        self._context = Context(
            store=self._store,
            blobs=blobs,
            hub=hub,
            supervisor=self._supervisor,
            starter=starter,
            adopter=self._adopter,
            state=state,
            socket_path=socket_path,
            started_ms=now_ms(),
            request_stop=self._request_stop,
        )

    def _request_stop(self, kernels: bool) -> None:
        self._stops_kernels = kernels
        self._stop.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until a signal or ``daemon.stop``; ``ready`` is called when it answers.

        Raises `UnsafePath`, `AlreadyServed` or `OSError` where the socket cannot be bound.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._supervisor.load()
        async with asyncio.TaskGroup() as tasks:
            line_bytes = self._config.max_request_bytes
            limits = Limits(
                line_bytes=line_bytes, unended_bytes=4 * line_bytes, batch=self._config.max_batch
            )
            # The first caller may name a kernel that runs.
            dispatcher = Dispatcher(self._context, HANDLERS, self._adopter.has_looked)
            server = UnixServer(self._socket_path, dispatcher, tasks, limits)
            await server.start()
            runtimes = tasks.create_task(self._supervisor.run(), name="supervisor")
            adoption = tasks.create_task(self._adopter.run(), name="adopter")
            settle_memory()
            ready()
            self._manager.notify("READY=1")
            log.info("answering at %s", self._socket_path)
            await self._stop.wait()
            log.info("stopping")
            self._manager.notify("STOPPING=1")
            os.truncate(self._state.daemon_lock, 0)
            await server.stop(GRACE_S)
            adoption.cancel()
            if self._stops_kernels:
                await self._end_kernels()
            runtimes.cancel()
        with contextlib.suppress(StoreUnavailable):
            self._store.checkpoint()
        self._store.close()

    async def _end_kernels(self) -> None:
        """End the keeper and all kernels that it started, and take in what it says of that."""
        try:
            await self._supervisor.end_all()
        except (KeeperUnavailable, Refused) as error:
            log.error("the kernels were not ended: %s", error)
