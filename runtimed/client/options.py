"""Parameters that the methods of both clients hand on to the API, as the API has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypedDict

from runtimed import environ

if TYPE_CHECKING:
    from runtimed.api.events import EventType
    from runtimed.api.executions import Cell
    from runtimed.api.runtimes import LimitsWanted
    from runtimed.api.types import ExecutionStatus


class SubmitOptions(TypedDict, total=False):
    """What may come with code; see `runtimed.api.executions.ExecutionSubmit`."""

    id: str
    cell: Cell
    group: str
    stop_on_error: bool
    carry_over: bool
    stdin: str
    argv: list[str]


class StartOptions(TypedDict, total=False):
    """How a runtime is started; see `runtimed.api.runtimes.RuntimeStart`."""

    dependencies: list[str]
    requires_python: str
    code: str
    environment: str
    name: str
    cwd: str
    env: dict[str, str]
    project: str
    idle_stop_s: float
    limits: LimitsWanted
    start_timeout_s: float


class HistoryOptions(TypedDict, total=False):
    """Which executions; see `runtimed.api.executions.ExecutionList`."""

    status: list[ExecutionStatus]
    cell: Cell
    foreign: bool
    by: str
    runtimes: list[str]
    pinned: bool
    grep: str
    since: str
    until: str
    before: str


class EventOptions(TypedDict, total=False):
    """Which events; see `runtimed.api.events.EventsSubscribe`."""

    since: str | None
    runtime: str
    execution: str
    notebook: str
    types: list[EventType]


def absolute(path: str) -> str:
    """Return a path as the daemon needs it, which has another working directory."""
    return os.path.abspath(path)


def of_caller() -> dict[str, Any]:
    """Return the environment and directory that a kernel gets which is started from here."""
    return {"env": environ.of_caller(os.environ), "cwd": os.getcwd()}
