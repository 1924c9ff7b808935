"""What puts a daemon right: which verb works depends on who runs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtimed.managers.failures import ServiceFailure
from runtimed.managers.protocol import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from runt.doctor.examination import Examination

RESTART = "runt service restart"
_AGAIN = "the next `runt eval` or `runt start` starts it"


def can_restart(e: Examination) -> bool:
    """Return whether `runt service restart` is for this daemon.

    Where there is a service manager, it is for what that runs, and not for what runs beside it.
    """
    try:
        status = e.status
    except ServiceFailure:
        return False
    if status.manager == "detached" or status.installed:
        return True
    return any(unit.pid == e.daemon_pid for unit in status.units if unit.pid)


def restart(e: Examination) -> str:
    """Return what replaces the daemon. Kernels live on."""
    return RESTART if can_restart(e) else f"`runt service stop`; {_AGAIN} again"


def restarting(e: Examination) -> Callable[[], str] | None:
    """Return the repair that replaces the daemon, None where there is none."""
    return (lambda: "; ".join(e.manager.restart(None))) if can_restart(e) else None


def start(e: Examination) -> str:
    """Return what starts a daemon where none runs."""
    try:
        status = e.status
    except ServiceFailure:
        return _AGAIN
    return "runt service start" if status.installed or status.manager == "detached" else _AGAIN


def move_out(e: Examination) -> str:
    """Return what takes daemon and keeper out of a login session."""
    if e.status.installed:
        return "`runt service start` moves it out; kernels live on"
    if e.status.manager != "detached":
        return "`runt service install` moves it out; kernels live on"
    if os.environ.get(VARIABLE):
        return f"unset {VARIABLE}, which keeps it out of the service manager's hands"
    return (
        "there is no user manager to move it to; log in so that `systemctl --user status` works "
        "(not by `su`), or set KillUserProcesses=no in logind.conf(5)"
    )
