"""Calls for who wants to know whether all is well: ``runt doctor``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import StoreUnavailable
from runtimed.api.types import Document


class KeeperReport(Document):
    """The keeper that the daemon is connected to; ``version`` is null for one of an older kind."""

    pid: int
    version: str | None


class TcpKernel(Document):
    """A kernelspec that did not work over ipc and did over tcp: it is started over tcp now."""

    path: str
    noted_at: str


class DoctorReport(Document):
    """What only the daemon can tell of its health. Nothing is changed by looking."""

    version: str
    pid: int
    keeper: KeeperReport | None
    home: str | None
    """HOME, as the daemon was started with it."""
    path: list[str]
    """The directories of the daemon's PATH."""
    database: list[str]
    """What SQLite's quick_check complains of; empty if it is sound, as far as it was looked at."""
    database_is_checked: bool
    """False where the time was over before the check was."""
    newest_event_at: str | None
    """When the newest event was recorded, by the clock of that time."""
    transports: list[TcpKernel]
    strange_journals: list[str]
    """Directories of journals whose runtimes are on no list."""


@api("daemon.doctor", Effect.READ, errors=(StoreUnavailable,), rest=("GET /v0/daemon/doctor",))
class DaemonDoctor(Call[DoctorReport], frozen=True, kw_only=True):
    """Look at what only the daemon sees: its environment, database, keeper and journals."""

    check_s: Annotated[
        float, Meta(ge=0, le=600, description="How long the database may be looked at.")
    ] = 10


@api(
    "daemon.forget_transports",
    Effect.WRITE,
    errors=(StoreUnavailable,),
    rest=("POST /v0/daemon/forget_transports",),
)
class DaemonForgetTransports(Call[list[TcpKernel]], frozen=True, kw_only=True):
    """Forget which kernelspecs need tcp, and return them: each is tried over ipc once more."""
