"""What a handler may touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.config import Loaded, Reloaded
    from runtimed.hub import Hub
    from runtimed.kernels.adoption import Adopter
    from runtimed.kernels.starter import Starter
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.paths import State
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
    supervisor: Supervisor
    starter: Starter
    adopter: Adopter
    config: Loaded
    state: State
    socket_path: str
    started_ms: int
    request_stop: Callable[[bool], None]
    reload: Callable[[], Reloaded]
