"""Every stimulus at every progress that can come about."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from runtimed.api.types import FINAL
from runtimed.model.diagram import edges, mermaid, reachable
from runtimed.model.execution import Progress, Stimulus, advance

ROOT = Path(__file__).parents[3]
TABLE = reachable()
OPEN = [progress for progress in TABLE if not progress.is_final]


def test_final_is_final() -> None:
    finals = [progress for progress in TABLE if progress.is_final]
    assert {progress.status for progress in finals} == FINAL
    for progress in finals:
        assert all(after is progress for _, after in TABLE[progress])


def test_what_the_kernel_may_have_is_never_cancelled() -> None:
    for progress in OPEN:
        for stimulus, after in TABLE[progress]:
            if after.status == "cancelled":
                assert not progress.is_dispatched
                assert stimulus in (Stimulus.CANCEL, Stimulus.KERNEL_ENDED)


def test_what_may_have_run_and_is_not_known_says_so() -> None:
    """`lost` only for what was sent, `kernel_died` only for what was seen to begin."""
    for progress in OPEN:
        for _, after in TABLE[progress]:
            if after.status == "lost":
                assert progress.is_dispatched
                assert progress.reply is None or not progress.idle
            if after.status == "kernel_died":
                assert progress.status in ("running", "waiting_input")


#: Others' replies go to whoever asked.
WITHOUT_REPLY = (Stimulus.BARRIER, Stimulus.OTHERS_IDLED)


def test_done_needs_a_reply_or_an_idle_that_was_passed() -> None:
    for progress in OPEN:
        for stimulus, after in TABLE[progress]:
            if after.status == "done":
                assert after.reply == "ok" or (after.idle and stimulus in WITHOUT_REPLY)
                assert after.reply == "ok" or not after.interrupted
            if after.status == "error":
                assert after.reply not in (None, "ok") or after.error_shown
            if after.status == "interrupted":
                assert after.reply != "ok"
                assert after.reply or after.error_shown or after.interrupted


def test_what_is_missing_is_a_gap() -> None:
    for progress in OPEN:
        for stimulus, after in TABLE[progress]:
            if after.is_final and stimulus in (Stimulus.REPLIED, Stimulus.IDLED):
                assert (after.reply is not None, after.idle, after.gap) == (True, True, None)
            if after.status in ("done", "error", "interrupted") and after.reply is None:
                assert after.gap == (None if stimulus is Stimulus.OTHERS_IDLED else "reply")


def test_cancelled_lost_and_died_have_a_reason() -> None:
    for outcomes in TABLE.values():
        for _, after in outcomes:
            if after.status in ("cancelled", "lost", "kernel_died"):
                assert after.reason


def test_a_new_attempt_begins_anew() -> None:
    """Nothing of the aborted attempt may end the next one."""
    attempts = [
        (progress, after)
        for progress in OPEN
        for _, after in TABLE[progress]
        if after.attempt != progress.attempt
    ]
    assert attempts
    for before, after in attempts:
        assert after.attempt == before.attempt + 1
        assert (after.status, after.sent, after.idle, after.reply) == ("queued", False, False, None)
        assert not before.executing
        assert not before.interrupted


def test_a_kernels_end_ends_it_unless_it_is_carried_over() -> None:
    for progress in OPEN:
        after = advance(progress, Stimulus.KERNEL_ENDED, detail="r", carry_over=True)
        assert after.is_final or (after is progress and not progress.is_dispatched)
        assert advance(progress, Stimulus.KERNEL_ENDED, detail="r").is_final


def test_every_progress_survives_the_store() -> None:
    for progress in TABLE:
        assert msgspec.json.decode(msgspec.json.encode(progress), type=Progress) == progress


@pytest.mark.parametrize(
    ("reply", "ename", "interrupted", "status"),
    [
        ("ok", None, False, "done"),
        ("ok", None, True, "done"),  # it caught the interrupt
        ("error", "ValueError", False, "error"),
        ("error", "ValueError", True, "error"),  # it survived the interrupt, and failed later
        ("error", "InterruptException", True, "interrupted"),
        ("error", "KeyboardInterrupt", False, "interrupted"),
        ("aborted", None, True, "interrupted"),  # some kernels say it of what they interrupted
        ("aborted", None, False, "error"),  # after execute_input: it was executed
        ("nonsense", None, False, "error"),
    ],
)
def test_outcomes(reply: str, ename: str | None, interrupted: bool, status: str) -> None:
    """In whichever order reply and idle come, with the error shown anywhere before idle."""
    ends = {"reply": Stimulus.REPLIED, "idle": Stimulus.IDLED}
    for order in itertools.permutations(ends):
        progress = advance(Progress(), Stimulus.SENT)
        progress = advance(progress, Stimulus.STARTED)
        progress = advance(progress, Stimulus.EXECUTING)
        if interrupted:
            progress = advance(progress, Stimulus.INTERRUPTED)
        for end in order:
            assert not progress.is_final
            if end == "idle" and ename:
                progress = advance(progress, Stimulus.ERROR_SHOWN, ename=ename)
            progress = advance(progress, ends[end], detail=reply, ename=ename)
        assert progress.status == status


def test_the_documented_diagram_is_this_one() -> None:
    """`python -m runtimed.model.diagram` prints what belongs there."""
    page = (ROOT / "docs" / "explanation" / "executions.md").read_text()
    assert f"```mermaid\n{mermaid()}```" in page
    assert all(f"| `{status}` |" in page for status in {a for a, _, _ in edges()} | FINAL)


def test_one_that_speaks_late_ends_with_a_barrier_and_has_no_gap() -> None:
    progress = Progress(status="running", sent=True)
    for stimulus in (Stimulus.REPLIED, Stimulus.IDLED):
        progress = advance(progress, stimulus, speaks_late=True)
        assert progress.status == "running"
    assert advance(progress, Stimulus.BARRIER).status == "done"
    assert advance(progress, Stimulus.BARRIER).gap is None
    died = advance(progress, Stimulus.KERNEL_ENDED, detail="it ended")
    assert (died.status, died.gap) == ("done", None)
