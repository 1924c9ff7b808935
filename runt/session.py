"""A connection to the daemon, and what becomes of failures."""

from __future__ import annotations

import sys

from runt import exits
from runt.failures import Failure, UsageFailure
from runtimed.client.connecting import CallFailed, HungUp, Nobody, dial
from runtimed.client.lines import LineClient
from runtimed.paths import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from typing import Any

#: Failures that mean: this daemon is going away, ask the next one.
GONE = ("DaemonUnreachable", "ShuttingDown")
#: How many daemons in a row may go away before one answers.
ATTEMPTS = 5
#: What the record says about who submitted.
CLIENT = "runt"


def connect(*, start: bool = True) -> LineClient:
    """Connect to the daemon and exchange hellos; ``start`` it where it does not run.

    Code and environment are for one that has shown that it is ours. Raises `CallFailed`.
    """
    path = socket_path()
    for _ in range(ATTEMPTS):
        client = LineClient(_dialled(path, start=start), path)
        try:
            client.hello(CLIENT, agent())
        except CallFailed as failure:
            if not isinstance(failure, HungUp) and failure.name != "ShuttingDown":
                raise
            gone = failure
        else:
            return client
    raise gone


def agent() -> str | None:
    """Return the agent that runt works for, as RUNT_AGENT says. Raises `UsageFailure`."""
    from os import environ

    name = environ.get("RUNT_AGENT") or None
    if name is not None and not (
        len(name) <= 64 and name.isascii() and name.translate(_SIGNS).isalnum()
    ):
        detail = "letters, digits, dot, hyphen and underscore, 64 at most"
        raise UsageFailure(f"RUNT_AGENT is {name[:100]!r}; an agent's name has {detail}")
    return name


_SIGNS = dict.fromkeys(map(ord, "._-"), "0")


def _dialled(path: str, *, start: bool) -> socket:
    try:
        return dial(path)
    except Nobody as nobody:
        if not start:
            raise _who_cannot_be_reached(path) or nobody from None
    from runtimed.client.start import ensure_daemon

    return ensure_daemon(path)


def _who_cannot_be_reached(path: str) -> CallFailed | None:
    """Return the failure of a daemon that runs, but not at its socket, where that is so."""
    from runtimed.client.connecting import unreachable
    from runtimed.managers.detached import holder_of
    from runtimed.managers.instance import current

    if not (pid := holder_of(current().state.daemon_lock)):
        return None
    return unreachable(
        path, f"pid {pid} has the state, and does not listen there; `runt doctor` tells more"
    )


def call(method: str, params: dict[str, Any], *, start: bool = True) -> Any:
    """Make one call on a connection of its own, and return its result. Raises `CallFailed`."""
    client = connect(start=start)
    try:
        return client.call(method, params)
    finally:
        client.close()


def call_again(method: str, params: dict[str, Any]) -> Any:
    """Make a call that only reads; where the daemon goes away meanwhile, ask the next one."""
    for _ in range(ATTEMPTS):
        client = connect()
        try:
            return client.call(method, params)
        except CallFailed as failure:
            if failure.name not in GONE:
                raise
            gone = failure
        finally:
            client.close()
    raise gone


def guarded(command: Callable[[], int | None]) -> int:
    """Run a command; a failure becomes a sentence on stderr and its exit code."""
    try:
        return command() or exits.OK
    except (CallFailed, Failure) as failure:
        sys.stdout.flush()
        sys.stderr.write(f"runt: {failure}\n")
        return failure.exit_code
