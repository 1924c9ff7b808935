"""The life of one execution, as a table: what is observed decides, and nothing else.

::

    queued ──started──► running ◄──input_requested / input_answered──► waiting_input
       │                   │
       └── cancel          └── reply and idle, in any order ──► done · error · interrupted
    any ── kernel_ended ──► kernel_died (it ran) · lost (it may have) · cancelled (it did not)

It is final when the execute_reply *and* the idle status of its message were seen
(https://jupyter-client.readthedocs.io/en/stable/messaging.html#request-reply); one of another
client's, whose reply goes elsewhere, is final with the idle alone. A barrier is the
proof that the kernel's shell has gone past it: a later request on the same channel was answered.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from runtimed.api.types import FINAL


class Stimulus(enum.StrEnum):
    """What can be observed of, or asked for, one execution."""

    SENT = "sent"
    UNSENT = "unsent"
    STARTED = "started"
    EXECUTING = "executing"
    ERROR_SHOWN = "error_shown"
    INPUT_REQUESTED = "input_requested"
    INPUT_ANSWERED = "input_answered"
    INTERRUPTED = "interrupted"
    UNINTERRUPTED = "uninterrupted"
    REPLIED = "replied"
    IDLED = "idled"
    BARRIER = "barrier"
    CANCEL = "cancel"
    KERNEL_ENDED = "kernel_ended"
    OTHERS_IDLED = "others_idled"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution has come. ``reply`` is the reply's status, ``ename`` its error.

    ``inputs`` counts its input requests, so that each is answered once, and ``fed_chars`` how much
    of its own stdin was used up by answers. ``executing`` says that
    the kernel has repeated the code (execute_input); that it was busy with the request does not
    prove as much.
    """

    status: str = "queued"
    attempt: int = 1
    sent: bool = False
    executing: bool = False
    reply: str | None = None
    ename: str | None = None
    idle: bool = False
    error_shown: bool = False
    interrupted: bool = False
    inputs: int = 0
    fed_chars: int = 0
    reason: str | None = None
    gap: str | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_outspoken(self) -> bool:
        """Whether both ends were seen: most kernels say no more then."""
        return self.reply is not None and self.idle

    @property
    def is_dispatched(self) -> bool:
        """Whether the kernel may have it: it can be interrupted, but no longer cancelled."""
        return self.sent or self.status in ("running", "waiting_input")


def advance(
    progress: Progress,
    stimulus: Stimulus,
    *,
    detail: str | None = None,
    ename: str | None = None,
    carry_over: bool = False,
    speaks_late: bool = False,
) -> Progress:
    """Return the progress after the stimulus; a final one never changes.

    ``detail`` is the reply's status for REPLIED, and the reason for CANCEL, KERNEL_ENDED and
    BARRIER. ``speaks_late`` is for a kernel whose results may come after its idle status: there
    only a barrier ends an execution.
    """
    if progress.is_final:
        return progress
    match stimulus:
        case Stimulus.SENT:
            return replace(progress, sent=True)
        case Stimulus.UNSENT:
            return replace(progress, sent=False)
        case Stimulus.STARTED:
            return replace(progress, status="running") if progress.status == "queued" else progress
        case Stimulus.EXECUTING:
            status = "running" if progress.status == "queued" else progress.status
            return replace(progress, status=status, executing=True)
        case Stimulus.ERROR_SHOWN:
            return replace(progress, error_shown=True, ename=ename or progress.ename)
        case Stimulus.INPUT_REQUESTED:
            return replace(progress, status="waiting_input", inputs=progress.inputs + 1)
        case Stimulus.INPUT_ANSWERED:
            return replace(progress, status="running")
        case Stimulus.INTERRUPTED:
            return replace(progress, interrupted=True)
        case Stimulus.UNINTERRUPTED:
            return replace(progress, interrupted=False)
        case Stimulus.REPLIED:
            replied = _replied(progress, detail or "ok", ename)
            return replied if speaks_late else _settled(replied)
        case Stimulus.IDLED:
            idled = replace(progress, idle=True)
            return idled if speaks_late else _settled(idled)
        case Stimulus.OTHERS_IDLED:
            return replace(progress, status=_outcome(progress), idle=True)
        case Stimulus.BARRIER:
            return _passed(progress, detail)
        case Stimulus.CANCEL:
            if progress.is_dispatched:
                return progress
            return replace(progress, status="cancelled", reason=detail)
        case Stimulus.KERNEL_ENDED:
            return _bereaved(progress, detail, carry_over)


def _replied(progress: Progress, reply: str, ename: str | None) -> Progress:
    """Take the reply in; ``aborted`` without execute_input means that it was never executed.

    Another client's failing cell makes the kernel abort what waits behind it. It is dispatched
    again, under a new attempt.
    """
    if progress.reply is not None:
        return progress
    was_begun = progress.executing or progress.status == "waiting_input"
    if reply in ("aborted", "abort") and not was_begun and not progress.interrupted:
        return Progress(attempt=progress.attempt + 1)
    return replace(progress, reply=reply, ename=ename or progress.ename)


def _settled(progress: Progress) -> Progress:
    return replace(progress, status=_outcome(progress)) if progress.is_outspoken else progress


def _outcome(progress: Progress) -> str:
    if progress.reply is not None:
        failed = progress.reply != "ok"
    else:
        # A kernel that is interrupted between two steps of its own may forget to reply.
        failed = progress.error_shown or progress.interrupted
    if not failed:
        return "done"
    ename = (progress.ename or "").lower()
    # KeyboardInterrupt, InterruptException, …; an error with another name is the code's own, but
    # not every kernel names what an interrupt does.
    if ename == "keyboardinterrupt":
        return "interrupted"
    # What waited (``await``) in an ipykernel is cancelled by an interrupt.
    if progress.interrupted and ("interrupt" in ename or ename == "cancellederror"):
        return "interrupted"
    return "interrupted" if progress.interrupted and not ename else "error"


def _passed(progress: Progress, reason: str | None) -> Progress:
    """The kernel went past it: what has not been seen by now will never come."""
    if progress.reply is not None:
        gap = None if progress.idle else "idle"
        return replace(progress, status=_outcome(progress), gap=gap)
    if progress.idle:
        return replace(progress, status=_outcome(progress), gap="reply")
    if not progress.is_dispatched:
        return progress
    return replace(progress, status="lost", gap="reply", reason=reason)


def _bereaved(progress: Progress, reason: str | None, carry_over: bool) -> Progress:
    if progress.status != "queued":
        if progress.reply is not None:
            gap = None if progress.idle else "idle"
            return replace(progress, status=_outcome(progress), gap=gap)
        return replace(progress, status="kernel_died", reason=reason)
    if progress.sent:
        return replace(
            progress,
            status="lost",
            reason=f"{reason}; it was sent, and not seen to begin",
        )
    if carry_over:
        return progress
    return replace(progress, status="cancelled", reason=reason)
