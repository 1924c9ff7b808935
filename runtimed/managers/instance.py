"""Which daemon is meant: what `runt`, daemon and keeper must agree about."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from runtimed import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A service sees its manager's environment and not the caller's: these are written down for it.
STATE_DIR, SOCKET, CONFIG = AGREED = ("RUNTIMED_STATE_DIR", "RUNTIMED_SOCKET", "RUNTIMED_CONFIG")


class Instance(NamedTuple):
    """One daemon and one keeper, by their places."""

    state_dir: str
    socket: str
    config: str | None = None
    """The file of settings, where it is not at its usual place."""

    @property
    def state(self) -> paths.State:
        """The files in the state directory."""
        return paths.State(self.state_dir)

    def is_served_by(self, variables: Mapping[str, str]) -> bool:
        """Return whether a service that has got these variables is of this very instance.

        Its file of settings may be another one.
        """
        theirs = of_service(variables)
        return (theirs.state_dir, theirs.socket) == (self.state_dir, self.socket)

    def as_served_by(self, variables: Mapping[str, str] | None) -> Instance:
        """Return this instance with the settings' file of the service that is of it, if one is."""
        if variables is None or not self.is_served_by(variables):
            return self
        return self._replace(config=variables.get(CONFIG))

    def with_settings_of(self, wanted: Instance) -> tuple[Instance, list[str]]:
        """Return this with the settings' file that ``wanted`` names, if it does; and say so."""
        if wanted.config in (None, self.config):
            return self, []
        theirs = self.config or "its usual place"
        return wanted, [f"its settings are those of {wanted.config}, no longer those of {theirs}"]

    @property
    def suffix(self) -> str:
        """What tells a second instance's names from the user's own; empty for that one."""
        if self.state_dir == _usual_state_dir() and self.socket == _usual_socket():
            return ""
        from hashlib import sha256

        return "-" + sha256(os.fsencode(self.state_dir)).hexdigest()[:8]

    def unusual(self) -> dict[str, str]:
        """Return the variables that a process needs to be of this instance, and no others."""
        variables = {}
        if self.state_dir != _usual_state_dir():
            variables[STATE_DIR] = self.state_dir
        if self.socket != _usual_socket():
            variables[SOCKET] = self.socket
        return variables | ({CONFIG: self.config} if self.config else {})

    def variables(self) -> dict[str, str]:
        """Return all variables that say which instance it is."""
        variables = {STATE_DIR: self.state_dir, SOCKET: self.socket}
        return variables | ({CONFIG: self.config} if self.config else {})


def of_service(variables: Mapping[str, str]) -> Instance:
    """Return the instance that a service is of which has got these of the variables."""
    return Instance(
        variables.get(STATE_DIR) or _usual_state_dir(),
        variables.get(SOCKET) or _usual_socket(),
        variables.get(CONFIG),
    )


def current(socket: str | None = None) -> Instance:
    """Return the instance that this process's environment means."""
    config = os.environ.get(CONFIG)
    return Instance(
        paths.state_dir(),
        os.path.abspath(socket or paths.socket_path()),
        os.path.abspath(config) if config else None,
    )


def _usual_state_dir() -> str:
    """Return where a process without XDG variables, such as a service, has its state."""
    usual = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    return os.path.join(os.path.expanduser("~"), usual, "runtimed")


def _usual_socket() -> str:
    return os.path.join(paths.runtime_dir(), "runtimed.sock")
