"""All handlers: one for every call of the API."""

from __future__ import annotations

from runtimed.service import (
    discover,
    doctor,
    executions,
    output,
    recording,
    removal,
    runtimes,
    settings,
    system,
    variables,
)
from runtimed.service.binding import HANDLERS

__all__ = [
    "HANDLERS",
    "discover",
    "doctor",
    "executions",
    "output",
    "recording",
    "removal",
    "runtimes",
    "settings",
    "system",
    "variables",
]
