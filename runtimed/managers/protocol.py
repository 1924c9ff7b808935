"""What every service manager can do for us, and which one there is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runtimed.managers.failures import ServiceFailure

if TYPE_CHECKING:
    from runtimed.managers.files import File
    from runtimed.managers.instance import Instance

#: systemd, launchd or detached: use that one, and no other.
VARIABLE = "RUNTIMED_MANAGER"

#: What `Manager.stop` says where there was nothing to stop.
NOT_RUNNING = "it was not running"


@dataclass
class Unit:
    """A unit or job, as its manager tells of it."""

    name: str
    state: str
    """active, inactive, failed, activating, …; launchd: running, not running, not loaded"""
    pid: int | None = None
    enabled: bool | None = None
    """Whether it comes by itself at login."""
    text: str = ""
    """What it says of itself, if it does."""


@dataclass
class Status:
    """What a manager knows of the service."""

    manager: str
    installed: bool
    running: bool
    """Whether the daemon's process is there, as far as the manager can know."""
    enabled: bool | None = None
    linger: bool | None = None
    """Whether it lives on after logout; None where that is not known, or not a question."""
    program: str | None = None
    units: list[Unit] = field(default_factory=list)
    files: list[File] = field(default_factory=list)


@dataclass
class LogPlaces:
    """Where the service's log is: what journalctl is to be asked for, else files."""

    journal: list[str] = field(default_factory=list)
    """A command; empty where the log is in the files."""
    files: list[str] = field(default_factory=list)


class Manager(Protocol):
    """A service manager. Each verb is idempotent and returns sentences on what was done.

    All of them raise `ServiceFailure`.
    """

    name: str
    instance: Instance
    """What was asked for, with the settings' file of what is installed."""

    def is_installed(self) -> bool:
        """Return whether the service is installed, for this instance."""
        ...

    def elsewhere(self) -> str | None:
        """Return the socket of the installed service of this state directory, if it is another."""
        ...

    def install(self) -> list[str]:
        """Install the files, so that it comes at login, and start it.

        Raises `ForeignFile` or `Unfit` before anything is changed.
        """
        ...

    def renew(self) -> list[str]:
        """Write those installed files that are not what this version would install."""
        ...

    def uninstall(self) -> list[str]:
        """Stop everything, and remove what `install` has installed; data stay."""
        ...

    def start(self) -> list[str]:
        """Start it, and wait until it answers; what runs detached is taken over. Raises `Unfit`."""
        ...

    def stop(self, *, keeper: bool) -> list[str]:
        """Stop the daemon and what would start it again; with ``keeper``, the kernels' too."""
        ...

    def restart(self, keeper_pid: int | None) -> list[str]:
        """Move keeper and daemon over to the program that is on disk now. Raises `Unfit` first."""
        ...

    def status(self) -> Status:
        """Look; nothing is started by it."""
        ...

    def logs(self) -> LogPlaces:
        """Return where the service's log is."""
        ...


def choose(instance: Instance, platform: str = sys.platform) -> Manager:
    """Return the manager of this machine. Raises `ServiceFailure` if RUNTIMED_MANAGER is wrong."""
    from runtimed.managers.detached import Detached

    wanted = os.environ.get(VARIABLE)
    if wanted == "detached":
        return Detached(instance)
    if wanted == "launchd" or (not wanted and platform == "darwin"):
        from runtimed.managers.launchd import Launchd

        return Launchd(instance)
    if wanted not in (None, "", "systemd"):
        raise ServiceFailure(f"{VARIABLE} is systemd, launchd or detached, not {wanted!r}")
    from runtimed.managers.systemd import Systemd, reachable

    runtime_dir = reachable()
    if runtime_dir is not None:
        return Systemd(instance, runtime_dir)
    if wanted:
        raise ServiceFailure("no user manager of systemd can be reached (`systemctl --user`)")
    return Detached(instance)
