"""What is left to do about an execution that exceeds a limit, for a daemon that begins anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from runtimed.api.types import Limits
from runtimed.kernels.clock import now_ms
from runtimed.kernels.guarding import begun, left_s, spared
from runtimed.model.execution import Progress
from runtimed.store.executions import ExecutionRow

LIMITS = Limits(execution_s=60.0)


def running(*, interrupted: bool = False, ago_s: float = 0, **exceeded: Any) -> ExecutionRow:
    return ExecutionRow(
        id="E",
        runtime_id="R",
        code="1",
        queued_ms=0,
        requested_by={"client": "mcp"},
        started_ms=now_ms() - int(ago_s * 1000),
        progress=replace(Progress(), status="running", interrupted=interrupted),
        exceeded=exceeded or None,
    )


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        (running(), None),
        (running(time="it ran longer"), "time"),
        (running(output="it put out more"), "output"),
        (running(time="it ran longer", interrupted=True), None),
        (running(time="it ran longer", left_running=True), None),
    ],
)
def test_an_interrupt_that_was_announced_and_not_sent_is_left_to_do(
    row: ExecutionRow, limit: str | None
) -> None:
    assert begun(row) == limit


@pytest.mark.parametrize(
    ("row", "on_execution_s", "is_spared"),
    [
        (running(time="it ran longer", interrupted=True), "interrupt", True),
        (running(output="it put out more", interrupted=True), "detach", True),
        (running(time="it ran longer"), "interrupt", False),  # nobody could deliver it
        (running(time="it was left running", interrupted=True), "detach", False),
        (running(interrupted=True), "interrupt", False),  # that was somebody else
    ],
)
def test_what_one_limit_has_interrupted_is_spared_by_the_other(
    row: ExecutionRow, on_execution_s: Literal["interrupt", "detach"], is_spared: bool
) -> None:
    limits = Limits(execution_s=1.0, output_bytes=1, on_execution_s=on_execution_s)
    assert spared(row, limits) is is_spared


@pytest.mark.parametrize(("ago_s", "least", "most"), [(20, 39, 40), (300, 0, 0), (-300, 60, 60)])
def test_time_counts_from_the_beginning_whatever_became_of_the_clock(
    ago_s: float, least: float, most: float
) -> None:
    assert least <= left_s(running(ago_s=ago_s), LIMITS) <= most


def test_sentences_are_the_reason_until_there_is_a_better_one() -> None:
    row = running(time="it ran longer", output="it put out more")
    assert row.reason == "it ran longer; it put out more"
    row.progress = replace(row.progress, reason="the kernel died")
    assert row.reason == "the kernel died"
