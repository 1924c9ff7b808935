"""Start the daemon by way of the machine's service manager, for a client that found nobody.

Where the service is installed it is that which is started. Where it is not, but a user manager is
there, daemon and keeper become transient units of it: what a login session starts would end with
the session.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from runtimed.environ import inheritable
from runtimed.managers import units
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.programs import run, said
from runtimed.managers.protocol import VARIABLE, choose
from runtimed.managers.systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtimed.managers.instance import Instance

#: Besides RUNTIMED_*: what says where kernels of the caller are to be found.
_HANDED_ON = frozenset(("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_PATH", "XDG_DATA_HOME"))
_KEEPER = "RUNTIMED_KEEPER"


def autostart(instance: Instance, command: Sequence[str]) -> bool:
    """Return whether a manager has started it: it answers, or will. The caller holds the lock.

    Raises `ServiceFailure` where a manager should have, and did not.
    """
    manager = choose(instance)
    if isinstance(manager, Systemd):
        return _by_systemd(manager, instance, command)
    if manager.is_installed():
        manager.start()
        return True
    return False


def _by_systemd(manager: Systemd, instance: Instance, command: Sequence[str]) -> bool:
    try:
        if manager.is_installed():
            program = manager.installed_program()
            if program is None or not os.access(program, os.X_OK):
                manager.start()  # its environment has moved: the files are written anew
            else:
                manager.start_units()
            return True
        if shutil.which("systemd-run") is None:
            return False
        start_transient(manager, instance, command)
    except ServiceFailure:
        manager.stops_at_once()
        raise
    return True


def start_transient(manager: Systemd, instance: Instance, command: Sequence[str]) -> None:
    """Run keeper and daemon as transient units. Raises `ServiceFailure`."""
    daemon, keeper = manager.daemon_units[1], manager.keeper_units[1]
    environment = _environment(instance, os.environ)
    is_fresh = "active" not in manager.systemctl("is-active", keeper, check=False).split()
    if is_fresh:
        _run_unit(manager, keeper, units.KEEPER, command, environment)
    order = [f"After={keeper}", f"Wants={keeper}"]
    try:
        _run_unit(manager, daemon, units.DAEMON, command, environment | {_KEEPER: keeper}, order)
    except ServiceFailure:
        if is_fresh:
            manager.systemctl("stop", keeper, check=False)
        raise


def _run_unit(
    manager: Systemd,
    name: str,
    shipped: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    more: Sequence[str] = (),
) -> None:
    properties, arguments = units.transient(shipped)
    properties = [p for p in properties if not p.startswith(f"Environment={_KEEPER}=")]
    argv = ["systemd-run", "--user", "--quiet", "--collect", f"--unit={name}"]
    argv += [f"--property={text}" for text in (*properties, *more)]
    argv += [f"--setenv={variable}={value}" for variable, value in environment.items()]
    asked = run([*argv, "--", *command, *arguments], manager.env)
    if asked.returncode:
        raise ServiceFailure(f"`systemd-run --user --unit={name}`: {said(asked)}")


def _environment(instance: Instance, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a transient unit gets of the caller's environment."""
    handed_on = {
        name: value
        for name, value in inheritable(environ).items()
        if name in _HANDED_ON or (name.startswith("RUNTIMED_") and name != VARIABLE)
    }
    return handed_on | instance.variables()
