"""Every method: importing this imports every noun, so that none is forgotten."""

from __future__ import annotations

from runtimed.api import daemon, events, executions, runtimes
from runtimed.api.call import REGISTRY

__all__ = ["NOUNS", "REGISTRY"]

#: The modules that declare calls.
NOUNS = (daemon, events, executions, runtimes)
