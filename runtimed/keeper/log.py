"""Say what happened, one entry an event, without secrets."""

from __future__ import annotations

import os

from runtimed.logs.entry import Priority, Role
from runtimed.logs.log import Log, place_of, standard_error

#: The keeper imports no configuration: these are the same settings' variables, as numbers.
_FILE_BYTES = ("RUNTIMED_LOG_FILE_BYTES", 10 * 1024**2)
_FILES = ("RUNTIMED_LOG_FILES", 3)

LOG = Log(standard_error(Role.KEEPER))


def log(text: str, runtime: str | None = None) -> None:
    """Write one entry, about a runtime if it is; a full or closed log stops nobody."""
    LOG.write(Priority.INFO, text, runtime)


def warn(text: str, runtime: str | None = None) -> None:
    """Write one entry about what somebody may have to look after."""
    LOG.write(Priority.WARNING, text, runtime)


def fail(text: str, runtime: str | None = None) -> None:
    """Write one entry about what did not work, and should have."""
    LOG.write(Priority.ERROR, text, runtime)


def open_log(path: str) -> None:
    """Write to the journal where stderr is that, to a rotated file where nobody reads stderr."""
    try:
        LOG.move(place_of(path, Role.KEEPER, _number(*_FILE_BYTES), _number(*_FILES)))
    except OSError as error:
        warn(f"the log stays on stderr: {error}")


def _number(variable: str, default: int) -> int:
    given = os.environ.get(variable, "")
    return int(given) if given.isdecimal() and int(given) > 0 else default
