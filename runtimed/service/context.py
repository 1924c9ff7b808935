"""What a handler may touch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from asyncio import Future, Lock
    from collections.abc import Callable

    from runtimed.config import Loaded, Reloaded
    from runtimed.hub import Hub
    from runtimed.kernels.actor import Actor
    from runtimed.kernels.adoption import Adopter
    from runtimed.kernels.starter import Starter
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.paths import State
    from runtimed.service.history_index import HistoryIndex
    from runtimed.service.retention import Retention
    from runtimed.store.blobs import Blobs
    from runtimed.store.db import Store


@dataclass(slots=True, frozen=True)
class Context:
    """The parts of the daemon, as handlers see them. Owned by the daemon.

    ``request_stop`` takes whether the kernels are to end too. ``reload`` reads the settings again;
    it raises `BadSetting`, and then nothing has changed.
    """

    store: Store
    blobs: Blobs
    hub: Hub
    index: HistoryIndex
    retention: Retention
    supervisor: Supervisor
    starter: Starter
    adopter: Adopter
    config: Loaded
    state: State
    socket_path: str
    started_ms: int
    request_stop: Callable[[bool], None]
    reload: Callable[[], Reloaded]
    files_opened_as: dict[str, str] = field(default_factory=dict)
    """The real paths of notebooks' files, by those that they were opened by."""
    notebook_starts: dict[str, Future[Actor]] = field(default_factory=dict)
    """Runtimes that are being started for a notebook, by its id."""
    files_in_use: WeakValueDictionary[str, Lock] = field(default_factory=WeakValueDictionary)
    """Files of notebooks that are being read or written, by path: one call at a time has one."""
