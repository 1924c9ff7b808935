"""Every method: importing this imports every noun, so that none is forgotten."""

from __future__ import annotations

from runtimed.api import (
    cells,
    daemon,
    doctor,
    environments,
    events,
    executions,
    exports,
    history,
    introspection,
    notebooks,
    rendering,
    runtimes,
    settings,
)
from runtimed.api.call import REGISTRY

__all__ = ["NOUNS", "REGISTRY"]

#: The modules that declare calls.
NOUNS = (
    cells,
    daemon,
    doctor,
    environments,
    events,
    executions,
    exports,
    history,
    introspection,
    notebooks,
    rendering,
    runtimes,
    settings,
)
