"""All handlers: one for every call of the API."""

from __future__ import annotations

from runtimed.service import (
    discover,
    executions,
    output,
    recording,
    removal,
    runtimes,
    system,
    variables,
)
from runtimed.service.binding import HANDLERS

__all__ = [
    "HANDLERS",
    "discover",
    "executions",
    "output",
    "recording",
    "removal",
    "runtimes",
    "system",
    "variables",
]
