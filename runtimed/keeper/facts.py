"""What the records of a runtime's journal add up to.

Every record is applied here when it is journaled, and again when a new keeper reads it back:
recovery and normal operation are the same code.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtimed.keeper.headers import header_of, parent_of, status_of
from runtimed.keeper.recording import Record
from runtimed.keeper.shell import ShellQueue, Sight
from runtimed.wire.journal import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXECUTION = "execute_request"
_SEGMENT_FIELDS = (
    "incarnation",
    "phase",
    "pid",
    "start_time",
    "boot_id",
    "connection_file",
    "launched",
    "channels",
    "endpoints",
    "argv",
    "cwd",
    "stdout",
    "stderr",
)
#: What the heads of older journals do not have.
_RECORDING_FIELDS = ("record", "session")
_LATER_FIELDS = (*_RECORDING_FIELDS, "ip")


class Phase(enum.StrEnum):
    """Where the runtime's process is in its life."""

    NEW = "new"
    SPAWNING = "spawning"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(slots=True)
class Facts:
    """The state of one runtime as its journal tells it."""

    incarnation: int = 0
    phase: Phase = Phase.NEW
    pid: int | None = None
    start_time: int | None = None
    boot_id: str | None = None
    connection_file: str | None = None
    ip: str | None = None
    """What is meant where the connection file has a relative path."""
    launched: bool = False
    channels: list[str] = field(default_factory=list)
    endpoints: dict[str, Any] = field(default_factory=dict)
    argv: list[str] = field(default_factory=list)
    cwd: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    record: str = Record.ALL
    """What is written of the messages of other sessions than `session`, which is the daemon's."""
    session: str = ""
    busy: dict[str, str] = field(default_factory=dict)
    """msg_id → msg_type of the requests that have begun, in that order, and whose ``idle`` was
    not seen. Not those on subshells: they run beside, and no interrupt reaches them."""
    _shell: ShellQueue = field(default_factory=ShellQueue)
    _unanswered: dict[str, None] = field(default_factory=dict)
    _recent: dict[str, None] = field(default_factory=dict)
    _previous: dict[str, None] = field(default_factory=dict)

    def was_sent(self, dispatch: str) -> bool:
        """Say whether this id has a SENT record: as long as unanswered, and a segment longer."""
        return (
            dispatch in self._recent or dispatch in self._unanswered or dispatch in self._previous
        )

    def _is_answered(self, msg_id: str) -> bool:
        return msg_id not in self._unanswered and self.was_sent(msg_id)

    @property
    def has_unanswered(self) -> bool:
        return bool(self._unanswered)

    def is_running(self, msg_id: str) -> bool:
        """Say whether this request is what an interrupt would reach: busy, and no later execution.

        Other requests may be busy after it without being hit, such as kernel_info on control.
        What may have begun while nobody listened counts if nothing else can be running.
        """
        if self._is_answered(msg_id):
            return False  # its idle status is late
        if msg_id not in self.busy:
            return self._shell.may_run_unheard(msg_id) and not any(
                type_ == _EXECUTION and not self._is_answered(other)
                for other, type_ in self.busy.items()
            )
        if self._shell.may_be_passed(msg_id):
            return False
        later = list(self.busy)[list(self.busy).index(msg_id) + 1 :]
        return not any(self.busy[other] == _EXECUTION for other in later)

    def segment(self) -> dict[str, Any]:
        """Return the meta of the event that heads the next segment; applied, it begins one.

        Of the ids that were answered, only those of the segment that ends here are taken along.
        """
        names = (*_SEGMENT_FIELDS, *_LATER_FIELDS)
        meta: dict[str, Any] = {name: getattr(self, name) for name in names}
        meta["busy"] = dict(self.busy)
        meta["sent"] = [*self._unanswered, *self._recent]
        meta["answered"] = list(self._recent)
        meta["shell"] = dict(self._shell.requests)
        meta["deaf"] = self._shell.is_deaf
        return {"event": Event.SEGMENT, **meta}

    def apply(self, kind: int, meta: dict[str, Any], frames: Sequence[bytes | memoryview]) -> None:
        """Take one record into account."""
        if kind == Kind.RECV:
            self._apply_received(meta["c"], frames)
        elif kind == Kind.SENT:
            self._apply_sent(meta, frames)
        else:
            self._apply_event(meta)

    def _apply_received(self, channel: str, frames: Sequence[bytes | memoryview]) -> None:
        if channel in ("iopub", "stdin"):
            self._apply_life(frames)
            if channel == "iopub":
                self._shell.is_deaf = False
        elif self._unanswered or self._shell.requests:
            answered = parent_of(frames)
            if answered is None:
                return
            if channel == "shell":
                self._are_over(self._shell.seen(answered.msg_id))
            if answered.msg_id in self._unanswered:
                del self._unanswered[answered.msg_id]
                self._recent[answered.msg_id] = None

    def _apply_life(self, frames: Sequence[bytes | memoryview]) -> None:
        status = status_of(frames)
        if status is None:
            if self._shell.has_unseen:
                self._apply_sign(frames)
            return
        request = status.parent
        if request.is_on_subshell:
            return
        if status.state == "busy":
            self._are_over(self._shell.seen(request.msg_id))
            self.busy.pop(request.msg_id, None)
            self.busy[request.msg_id] = request.msg_type
        elif status.state == "idle":
            self._are_over(self._shell.ended(request.msg_id))
            self.busy.pop(request.msg_id, None)

    def _apply_sign(self, frames: Sequence[bytes | memoryview]) -> None:
        """Take what a request says for its ``busy``, which may have been missed.

        A thread of an execution that is over says something too. Hence it comes before whatever
        else is busy: an interrupt for it must not hit that.
        """
        parent = parent_of(frames)
        if parent is None or parent.is_on_subshell or parent.msg_id in self.busy:
            return
        if self._shell.is_unseen(parent.msg_id):
            self._are_over(self._shell.seen(parent.msg_id))
            self.busy = {parent.msg_id: parent.msg_type, **self.busy}
        elif (
            parent.msg_type == _EXECUTION
            and self._shell.has_missed
            and not self.was_sent(parent.msg_id)
        ):
            # Another client's, begun while nobody listened.
            self.busy[parent.msg_id] = parent.msg_type

    def _are_over(self, requests: Sequence[str]) -> None:
        for request in requests:
            self.busy.pop(request, None)

    def _apply_sent(self, meta: dict[str, Any], frames: Sequence[bytes | memoryview]) -> None:
        dispatch = meta.get("id")
        if meta["c"] == "shell":
            header = header_of(frames)
            request = dispatch or (header.msg_id if header else None)
            if request is not None and not (header is not None and header.is_on_subshell):
                self._shell.sent(request, is_dispatch=dispatch is not None)
        if dispatch is None:
            return
        # Nothing answers an input_reply: it is remembered for a segment, like what is answered.
        (self._recent if meta["c"] == "stdin" else self._unanswered)[dispatch] = None

    def _apply_event(self, meta: dict[str, Any]) -> None:
        event = meta["event"]
        if event == Event.SEGMENT:
            self._restore(meta)
        elif event == Event.SPAWNING:
            self._take(meta, ("incarnation", "argv", "cwd", "connection_file", "stdout", "stderr"))
            self.phase, self.launched = Phase.SPAWNING, True
            self.pid = self.start_time = self.boot_id = None
            self.endpoints = {}
            self._leave_process()
        elif event == Event.SPAWNED:
            self._take(meta, ("pid", "start_time", "boot_id"))
            self.phase = Phase.RUNNING
        elif event == Event.OPENING:
            same_file = meta["connection_file"] == self.connection_file
            if meta["pid"] != self.pid or meta["start_time"] != self.start_time:
                self._leave_process()
            elif self.pid is not None and not meta.get("overlaps"):
                self._shell.connected_again()
            self._take(
                meta,
                ("incarnation", "pid", "start_time", "boot_id", "connection_file", "launched"),
            )
            self.ip = meta.get("ip")
            if not same_file:
                self.endpoints = {}
            self.phase = Phase.RUNNING
        elif event == Event.CONNECTED:
            self._take(meta, ("incarnation", "channels", "endpoints"))
        elif event in (Event.DISCONNECTED, Event.CONNECT_FAILED):
            self.channels = []
        elif event == Event.RECORDING:
            self._take(meta, _RECORDING_FIELDS)
        elif event == Event.UNSENT:
            for ids in (self._unanswered, self._recent, self._previous):
                ids.pop(meta["id"], None)
            self._shell.unsent(meta["id"])
        elif event == Event.EXITED:
            self.phase = Phase.EXITED
            self.channels = []
            self._leave_process()

    def _take(self, meta: dict[str, Any], names: Sequence[str]) -> None:
        for name in names:
            setattr(self, name, meta[name])

    def _leave_process(self) -> None:
        """Nothing of the old process is running or will be answered any more."""
        self.busy = {}
        self._shell = ShellQueue()
        self._recent.update(self._unanswered)
        self._unanswered = {}

    def _restore(self, meta: dict[str, Any]) -> None:
        self._take(meta, _SEGMENT_FIELDS)
        self._take(meta, [name for name in _LATER_FIELDS if name in meta])
        self.phase = Phase(meta["phase"])
        self.busy = dict(meta["busy"])
        requests = {request: Sight(sight) for request, sight in meta.get("shell", {}).items()}
        self._shell = ShellQueue(requests, meta.get("deaf", False))
        self._recent = {}
        self._previous = dict.fromkeys(meta["answered"])
        self._unanswered = dict.fromkeys(x for x in meta["sent"] if x not in self._previous)
