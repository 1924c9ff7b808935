"""Start the daemon where it does not run: once, however many ask at the same time."""

from __future__ import annotations

import os
import sys

from runtimed.client.connecting import Nobody, denied, dial, unreachable
from runtimed.managers.failures import ServiceFailure, StartFailed
from runtimed.paths import State, UnsafePath, private_dir, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from runtimed.managers.instance import Instance

COMMAND = (sys.executable, "-m", "runtimed")
#: The daemon's exit status where a place is not safely ours; as in main.py.
_EXIT_DENIED = 7


def ensure_daemon(path: str | None = None) -> socket:
    """Return a socket connected to the daemon, which is started first where none answers.

    Raises `CallFailed`: ``DaemonUnreachable`` with the end of what it wrote if it does not come
    up, ``NotRuntimed`` if something else answers, ``Denied`` if a place is not safely ours.
    """
    path = path or socket_path()
    try:
        return dial(path)
    except Nobody:
        pass
    try:
        private_dir(os.path.dirname(path))
        return _start_locked(path)
    except UnsafePath as error:
        raise denied(str(error)) from None
    except OSError as error:
        raise unreachable(path, f"it cannot be started: {error}") from None


def _start_locked(path: str) -> socket:
    """Start it under the lock, unless who held the lock before us did."""
    from runtimed.managers.detached import Detached
    from runtimed.managers.instance import current

    instance = current(path)
    with Detached(instance).one_starts():
        try:
            return dial(path)
        except Nobody:
            pass
        try:
            return _start(instance)
        except StartFailed as failed:
            detail = str(failed)
            if failed.status == _EXIT_DENIED:
                raise denied(detail) from None
            raise unreachable(path, detail) from None


def _start(instance: Instance) -> socket:
    """Start it: by the machine's service manager where there is one, else in its own session.

    Where the manager fails us, it is started nevertheless, and why so is said, and logged: it ends
    with the login session.
    """
    from runtimed.managers.autostart import autostart
    from runtimed.managers.detached import spawn

    if elsewhere := _elsewhere(instance):
        raise unreachable(instance.socket, elsewhere)
    why = None
    try:
        if autostart(instance, COMMAND):
            return dial(instance.socket)
    except (ServiceFailure, Nobody) as failure:
        why = f"started detached, because not by the service manager: {failure}"
        _note(instance, why)
    spawn(COMMAND, instance, os.environ)
    if why and sys.stderr is not None:
        sys.stderr.write(f"runtimed: {why}\n")
    return dial(instance.socket)


def _elsewhere(instance: Instance) -> str | None:
    """Return that the state directory is a daemon's that answers at another socket, if it is.

    To start one here would take it away from that one, and from whoever uses it.
    """
    from contextlib import suppress

    from runtimed.managers.detached import answers_at
    from runtimed.managers.protocol import choose

    there = None
    with suppress(ServiceFailure):  # as whoever starts it will find out
        there = choose(instance).elsewhere()
    if there:
        return (
            f"the service of {instance.state_dir} answers at {there}; set RUNTIMED_SOCKET to that, "
            "or unset it, or set RUNTIMED_STATE_DIR to another directory as well"
        )
    if found := answers_at(instance):
        pid, there = found
        return (
            f"the daemon of {instance.state_dir} (pid {pid}) answers at {there}; set "
            "RUNTIMED_SOCKET to that, or `runt service restart` has it answer here"
        )
    return None


def _note(instance: Instance, text: str) -> None:
    """Leave a line in the log of the daemon that is about to start."""
    from time import strftime

    state = State(private_dir(instance.state_dir))
    log = os.open(state.daemon_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(log, "w", encoding="utf-8", errors="replace") as file:
        file.write(f"{strftime('%Y-%m-%d %H:%M:%S')} WARNING {text}\n")
