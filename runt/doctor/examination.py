"""What the checks look at, gathered once: the service manager, the locks, the daemon's answers."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from runt import project, session
from runtimed.client.connecting import CallFailed
from runtimed.managers.detached import holder_of
from runtimed.managers.instance import current
from runtimed.managers.protocol import choose

if TYPE_CHECKING:
    from runtimed.managers.instance import Instance
    from runtimed.managers.protocol import Manager, Status


class Unanswered(Exception):
    """Only a daemon could tell, and none does; the text says why."""


class Examination:
    """One look at everything. Nothing is started by it."""

    def __init__(self) -> None:
        self._silence: Unanswered | None = None

    @cached_property
    def instance(self) -> Instance:
        """Which daemon is meant."""
        return current()

    @cached_property
    def manager(self) -> Manager:
        """The machine's service manager. Raises `ServiceFailure`."""
        return choose(self.instance)

    @cached_property
    def status(self) -> Status:
        """What the manager knows. Raises `ServiceFailure`."""
        return self.manager.status()

    @cached_property
    def daemon_pid(self) -> int | None:
        """Who holds the daemon's lock: None for nobody, 0 for one that starts or stops."""
        return holder_of(self.instance.state.daemon_lock)

    @cached_property
    def keeper_pid(self) -> int | None:
        """Who holds the keeper's lock, likewise."""
        return holder_of(self.instance.state.keeper_lock)

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Call the daemon if one runs; an answer of any kind is an answer.

        The socket alone is not asked: where the service manager holds it, that starts a daemon.
        Raises `Unanswered`.
        """
        if self.daemon_pid is None:
            raise Unanswered("no daemon runs that could tell")
        if self._silence is not None:
            raise self._silence  # it is waited for once
        try:
            return session.call(method, params, start=False)
        except CallFailed as failure:
            if failure.name == "MethodNotFound":
                raise Unanswered(
                    "the daemon that runs is of a version that cannot tell; "
                    "`runt service restart` moves it to this one"
                ) from None
            unanswered = Unanswered(f"the daemon does not tell: {failure}")
            if failure.name == "DaemonUnreachable":
                self._silence = unanswered
            raise unanswered from None

    @cached_property
    def report(self) -> dict[str, Any]:
        """What the daemon says of its health. Raises `Unanswered`."""
        report: dict[str, Any] = self.ask("daemon.doctor", {})
        return report

    @cached_property
    def greeting(self) -> dict[str, Any]:
        """Who answers at the socket. Raises `Unanswered`."""
        greeting: dict[str, Any] = self.ask("daemon.hello", {"client": "runt doctor"})
        return greeting

    @cached_property
    def runtimes(self) -> list[dict[str, Any]]:
        """The runtimes on the lists, dead ones too. Raises `Unanswered`."""
        runtimes: list[dict[str, Any]] = self.ask("runtime.list", {"all": True})
        return runtimes

    @cached_property
    def environments(self) -> list[dict[str, Any]]:
        """What can be started from here. Raises `Unanswered`."""
        params = {"env": project.environment(), "project": project.find(project.cwd())}
        environments: list[dict[str, Any]] = self.ask("environment.list", params)
        return environments

    def is_activated(self) -> bool:
        """Return whether the service manager listens at the socket for the daemon."""
        units = self.status.units
        if self.status.manager == "launchd":
            return any(unit.state != "not loaded" for unit in units)
        return any(unit.name.endswith(".socket") and unit.state == "active" for unit in units)
