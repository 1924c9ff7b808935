"""What is known of one living runtime, between its journal and its documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtimed.kernels.clock import steady_s

if TYPE_CHECKING:
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow


@dataclass(slots=True)
class RuntimeState:
    """Owned by the runtime's actor; changed only by the actor and its intake.

    ``executions`` are ours that are not final, oldest first, ``foreign_open`` those of others that
    are recorded, by origin. ``foreign`` holds the msg_ids of other clients' executions that run
    now, recorded or not, ``doubtful`` those of them whose end may have been missed.
    ``has_answered`` is set by the first kernel_info_reply of this process, ``is_heard`` by the
    first message on iopub, ``is_shell_known`` by whatever shows that nothing older than what we
    saw can be running: a kernel that we joined may be busy, and only its shell can tell, which
    ``is_shell_asked``. ``unheard`` counts answers of which iopub told nothing.
    ``is_leaving`` says that the kernel was heard to shut down; until ``patient_until_s`` nothing is
    sent, because its owner may be about to have it do so.
    ``is_fresh`` says that no execution of an adopted process was seen yet; ``signalled`` is the
    signal that we sent last, which is how a process that is not our child ended.
    ``lost_incarnation`` is the one that was last seen to end, or to come to nothing.
    ``connection_told_at`` is the journal's offset of what said so last. ``is_stopped`` says that
    the last probe found the process stopped (SIGSTOP).
    ``is_starting`` and ``is_restarting`` say that an exit of the process is not the end of the
    runtime, ``is_stopping`` that somebody wants it to end, ``is_idle_stopped`` that this is because
    it was idle for so long. ``last_begun`` is the execution that was seen to begin last, final or
    not. ``posted`` is the execution that the keeper was asked to send, from then until the journal
    says that it did.
    ``delivered`` is the msg_id of what the keeper answered that it sent: no doorbell tells of it
    before the kernel speaks. ``may_have_asked`` is the execution that ran when the connection came
    again: a question of its in between was heard by nobody.
    ``is_shared`` says that others run, or may run, something in it. ``proof_heard`` and
    ``proof_answered`` are the msg_ids of the last proofs (`interrupting`) that were heard on iopub
    and answered.
    ``settling`` are executions that are final, and not yet committed as such.
    ``output_bytes`` is how much ``output_of``, which put out something last, has put out so far.
    """

    row: RuntimeRow
    executions: dict[str, ExecutionRow] = field(default_factory=dict)
    foreign_open: dict[str, ExecutionRow] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    is_connected: bool = False
    connection_told_at: int = -1
    lost_incarnation: int | None = None
    is_stopped: bool = False
    has_answered: bool = False
    is_heard: bool = False
    is_shell_known: bool = False
    is_shell_asked: bool = False
    is_leaving: bool = False
    is_fresh: bool = False
    signalled: int | None = None
    patient_until_s: float = 0.0
    unheard: int = 0
    is_starting: bool = False
    is_restarting: bool = False
    is_stopping: bool = False
    is_idle_stopped: bool = False
    last_begun: ExecutionRow | None = None
    posted: str | None = None
    delivered: str | None = None
    may_have_asked: str | None = None
    is_shared: bool = False
    proof_heard: str | None = None
    proof_answered: str | None = None
    settling: set[str] = field(default_factory=set)
    last_keepalive_ms: int | None = None
    heard_s: float = 0.0
    idle_since_s: float | None = None
    bad_messages: int = 0
    rss_bytes: int | None = None
    cpu_percent: float | None = None
    output_of: str | None = None
    output_bytes: int = 0

    def note_output(self, execution_id: str, size_bytes: int) -> None:
        """Count what an execution puts out."""
        if self.output_of != execution_id:
            self.output_of, self.output_bytes = execution_id, 0
        self.output_bytes += size_bytes

    def hear(self, at_ms: int) -> None:
        """Note that the kernel was heard."""
        self.last_keepalive_ms, self.heard_s = at_ms, steady_s()

    @property
    def in_flight(self) -> ExecutionRow | None:
        """The execution that the kernel has, may have, or is about to have; one at a time."""
        for execution in self.executions.values():
            if self.is_dispatched(execution):
                return execution
        return None

    @property
    def current(self) -> ExecutionRow | None:
        """What runs now, ours or the newest of others'.

        Ours may have been sent before theirs was heard of, and wait behind it in the kernel.
        """
        ours = self.in_flight
        waits = ours is not None and ours.status == "queued" and bool(self.foreign)
        return self.newest_foreign if ours is None or waits else ours

    @property
    def newest_foreign(self) -> ExecutionRow | None:
        """Of the recorded executions of others, the one that began last."""
        return next(reversed(self.foreign_open.values()), None)

    def open_execution(self, execution_id: str) -> ExecutionRow | None:
        """Return the execution of this id if it is not final."""
        ours = self.executions.get(execution_id)
        return ours or next((e for e in self.foreign_open.values() if e.id == execution_id), None)

    @property
    def sent(self) -> ExecutionRow | None:
        """The execution that the kernel has, by what the journal has told so far.

        Not one that is merely posted: a keeper that is gone has written down what it sent.
        """
        execution = self.in_flight
        return execution if execution and execution.progress.is_dispatched else None

    def is_dispatched(self, execution: ExecutionRow) -> bool:
        """Whether the kernel may have it, or is about to."""
        return execution.progress.is_dispatched or execution.id == self.posted

    def is_at_kernel(self, execution: ExecutionRow) -> bool:
        """Whether the kernel has it, and has not said yet that it began."""
        is_sent = execution.progress.sent or execution.msg_id == self.delivered
        return execution.status == "queued" and is_sent and execution.progress.reply is None

    @property
    def queue_length(self) -> int:
        return sum(not self.is_dispatched(e) for e in self.executions.values())

    @property
    def activity(self) -> str | None:
        """idle, busy or waiting_input; None while it does not live, or is not known."""
        if self.row.status in ("starting", "dead"):
            return None
        current = self.in_flight
        if current is None and not self.is_shell_known and not self.foreign:
            return None
        if current is None:
            return "busy" if self.foreign else "idle"
        return "waiting_input" if current.status == "waiting_input" else "busy"
