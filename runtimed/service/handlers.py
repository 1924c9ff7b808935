"""All handlers: one for every call of the API."""

from __future__ import annotations

from runtimed.service import (
    cells,
    discover,
    doctor,
    executions,
    export,
    forgetting,
    gc,
    history,
    introspection,
    notebook_files,
    notebook_runs,
    notebooks,
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
    "cells",
    "discover",
    "doctor",
    "executions",
    "export",
    "forgetting",
    "gc",
    "history",
    "introspection",
    "notebook_files",
    "notebook_runs",
    "notebooks",
    "output",
    "recording",
    "removal",
    "runtimes",
    "settings",
    "system",
    "variables",
]
