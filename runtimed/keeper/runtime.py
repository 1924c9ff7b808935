"""One runtime: its process, its incarnations, its journal, and what may be done with it."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runtimed.host import Step, boot_id, passing
from runtimed.keeper.dispatch import Dispatcher
from runtimed.keeper.endpoints import CHANNELS, Endpoints, UnusableConnectionFile
from runtimed.keeper.facts import Facts, Phase
from runtimed.keeper.identity import Identity, environment_of
from runtimed.keeper.journal import Journal, Pending
from runtimed.keeper.log import log
from runtimed.keeper.probe import Pulse
from runtimed.keeper.process import Process, spawn
from runtimed.keeper.request import Refused
from runtimed.keeper.sockets import Frames, SocketSet
from runtimed.wire.journal import Event, Kind
from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    import zmq

    from runtimed.keeper.loop import Loop


class Ring(Protocol):
    """Tell the daemon, when it can be told, that this runtime's journal reaches so far."""

    def __call__(self, runtime: str, end: int, *, is_urgent: bool = True) -> None: ...


@dataclass(slots=True)
class Surroundings:
    """What all runtimes of a keeper share."""

    loop: Loop
    context: zmq.Context[zmq.Socket[bytes]]
    pending: Pending
    ring: Ring
    stuck: Callable[[], None]
    """Have the journals that cannot be written tried again."""
    changed: Callable[[], None]
    """Something lives, or lives no more."""


class Runtime:
    """The owner of one runtime's state in the keeper."""

    def __init__(self, id: str, directory: str, surroundings: Surroundings) -> None:
        self.id = id
        self.facts = Facts()
        self.process: Process | None = None
        self.environment: dict[str, str] | None = None
        self.sockets: SocketSet | None = None
        self._has_had_heartbeat = False
        self._surroundings = surroundings
        self.dispatcher = Dispatcher(self)
        self.journal = Journal(directory, surroundings.pending, self.facts.segment, self._begun)

    def _begun(self, head: dict[str, Any]) -> None:
        self.facts.apply(Kind.EVENT, head, ())

    @property
    def end(self) -> int:
        """The logical end of the journal."""
        return self.journal.end

    @property
    def is_alive(self) -> bool:
        """Whether there is a kernel: a process that we watch, or a connection to one unknown."""
        return self.process is not None or self.is_connected

    @property
    def is_connected(self) -> bool:
        return self.sockets is not None and self.sockets.is_usable

    # Records

    def record(
        self,
        kind: Kind,
        meta: dict[str, Any],
        frames: Sequence[bytes | memoryview] = (),
        *,
        or_refuse: bool = False,
    ) -> bool:
        """Journal a record and take it into account; return whether it is written.

        With ``or_refuse`` a record that cannot be written now has never been.
        """
        written = self.journal.append(kind, meta, frames, or_refuse=or_refuse)
        if written or not or_refuse:
            self.facts.apply(kind, meta, frames)
        if written and _is_news(kind, meta):
            # What a kernel says in the middle of its work waits for what it says next.
            is_urgent = kind != Kind.RECV or not self.facts.busy
            self._surroundings.ring(self.id, self.journal.end, is_urgent=is_urgent)
        elif not written and not or_refuse:
            self._surroundings.stuck()
        return written

    def event(self, event: Event, **fields: Any) -> bool:
        """Journal an event of the present incarnation."""
        incarnation = self.facts.incarnation
        return self.record(Kind.EVENT, {"event": event, "incarnation": incarnation, **fields})

    def retry(self) -> bool:
        """Write what waits for a writable disk; return whether nothing waits any more."""
        end = self.journal.end
        is_written = self.journal.retry()
        if self.journal.end != end:
            self._surroundings.ring(self.id, self.journal.end)
        return is_written

    def rotate(self) -> bool:
        """Begin a new segment."""
        rotated = self.journal.rotate()
        self._surroundings.ring(self.id, self.journal.end)
        return rotated

    def forget(self) -> None:
        """Let go of everything; a process stays as it is."""
        if self.sockets is not None:
            self.sockets.close()
            self.sockets = None
        if self.process is not None:
            self.process.forget()
            self.process = None
        self.dispatcher.refuse_deferred("the runtime was forgotten")
        self.journal.forget()

    # Processes

    def spawn(
        self,
        argv: list[str],
        cwd: str | None,
        environment: dict[str, str] | None,
        connection_file: str,
        outputs: tuple[str | None, str | None],
        keep_environment: bool = True,
    ) -> Process:
        """Start the kernel and begin to connect to it."""
        if self.process is not None or self.facts.phase == Phase.SPAWNING:
            raise Refused(Refusal.ALREADY_RUNNING, f"{self.id} has a running process")
        given = environment if environment is not None else self._old_environment()
        self._leave_sockets()
        intent: dict[str, Any] = {
            "argv": argv,
            "cwd": cwd,
            "connection_file": connection_file,
            "stdout": outputs[0],
            "stderr": outputs[1],
        }
        incarnation = self.facts.incarnation + 1
        meta = {"event": Event.SPAWNING, "incarnation": incarnation, **intent}
        if not self.record(Kind.EVENT, meta, or_refuse=True):
            raise Refused(Refusal.JOURNAL_FAILED, "the journal cannot be written")
        try:
            child = spawn(argv, cwd, given, *outputs)
        except (OSError, ValueError) as error:
            name = errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
            message = f"{name}: {error}"
            self.event(
                Event.EXITED, pid=None, code=None, signal=None, reason="not_started", error=message
            )
            raise Refused(Refusal.SPAWN_FAILED, message) from error
        self.environment = given if keep_environment else None
        identity = Identity.of(child.pid) or Identity(child.pid, 0, boot_id())
        self.event(
            Event.SPAWNED,
            pid=identity.pid,
            start_time=identity.start_time,
            boot_id=identity.boot_id,
            **intent,
        )
        log(f"{self.id}: spawned pid {identity.pid}, incarnation {incarnation}")
        process = self._watch(identity, child)
        self._connect(CHANNELS, persistent=True, note={"same_process": False})
        return process

    def _old_environment(self) -> dict[str, str]:
        known = self.environment
        if known is None and self.facts.pid is not None and self.process is not None:
            known = environment_of(self.facts.pid)
        if known is None:
            raise Refused(Refusal.NO_ENVIRONMENT, "the old kernel's environment is not known")
        return known

    def _watch(self, identity: Identity, child: subprocess.Popen[bytes] | None) -> Process:
        self.process = Process(self._surroundings.loop, identity, child, self._exited)
        self._surroundings.changed()
        return self.process

    def _exited(self, process: Process) -> None:
        if self.sockets is not None:
            self.sockets.end()
        else:
            self._record_exit(process)

    def _record_exit(self, process: Process) -> None:
        self.process = None
        self.event(
            Event.EXITED,
            pid=process.pid,
            code=process.code,
            signal=process.signal,
            reason=process.reason,
        )
        log(f"{self.id}: pid {process.pid} exited ({process.reason})")
        self.discard_endpoints()
        self.journal.close()
        self._surroundings.changed()

    def discard_endpoints(self) -> None:
        """Remove the socket files of a kernel that has gone."""
        try:
            self.endpoints().discard()
        except UnusableConnectionFile as error:
            log(f"{self.id}: its socket files stay: {error}")

    def endpoints(self) -> Endpoints:
        """Return where the kernel listens; raises `UnusableConnectionFile`.

        A connection file may be deleted while the kernel lives, or by the kernel when it ends.
        """
        try:
            return Endpoints.load(self.facts.connection_file or "")
        except UnusableConnectionFile:
            if not self.facts.endpoints:
                raise
            return Endpoints.of(self.facts.endpoints)

    def heartbeat(self, pulse: Pulse) -> bool | None:
        """Say what a probe's end tells of the heartbeat, None if nothing.

        Some kernels bind it after all else: that it is refused means something once it was heard.
        """
        if pulse is Pulse.HEARD:
            self._has_had_heartbeat = True
            return True
        is_unbound = pulse is Pulse.REFUSED and self.is_connected and not self._has_had_heartbeat
        return None if is_unbound or pulse is Pulse.CANCELLED else False

    # Connections

    def open(
        self,
        connection_file: str,
        identity: Identity | None,
        launched: bool,
        channels: Sequence[str],
        reason: str | None = None,
    ) -> None:
        """Connect to a kernel that exists: a new incarnation, which the journal tells."""
        if identity is None and launched and self.process is not None:
            identity = self.process.identity
        same = identity is not None and identity.pid == self.facts.pid
        same = same and identity is not None and identity.start_time == self.facts.start_time
        self._leave_sockets()
        meta = {
            "event": Event.OPENING,
            "incarnation": self.facts.incarnation + 1,
            "pid": identity.pid if identity else None,
            "start_time": identity.start_time if identity else None,
            "boot_id": boot_id(),
            "connection_file": connection_file,
            "launched": launched,
            "channels": list(channels),
        }
        if not self.record(Kind.EVENT, meta, or_refuse=reason is None):
            if reason is None:
                raise Refused(Refusal.JOURNAL_FAILED, "the journal cannot be written")
        if identity is not None and (self.process is None or self.process.identity != identity):
            if self.process is not None:
                self.process.forget()
            self._watch(identity, None)
            self.environment = environment_of(identity.pid) or self.environment
        note: dict[str, Any] = {"same_process": same}
        if reason is not None:
            note["reason"] = reason
        # What is recovered may still be starting; what is adopted either listens or does not.
        self._connect(channels, persistent=reason is not None and launched, note=note)

    def _connect(self, channels: Sequence[str], persistent: bool, note: dict[str, Any]) -> None:
        self._has_had_heartbeat = self._has_had_heartbeat and note["same_process"]
        try:
            endpoints = self.endpoints()
        except UnusableConnectionFile as error:
            self.event(Event.CONNECT_FAILED, reason=str(error))
            return
        sockets = SocketSet(
            self._surroundings.context,
            self._surroundings.loop,
            endpoints,
            b"runtimed." + self.id.encode(),
            self._received,
            self._ended,
        )
        self.sockets = sockets

        def done(reason: str | None) -> None:
            if reason is not None:
                self.event(Event.CONNECT_FAILED, reason=reason)
                log(f"{self.id}: not connected: {reason}")
                self._close_sockets()
                return
            pid = self.facts.pid
            self.event(
                Event.CONNECTED,
                pid=pid,
                channels=sockets.channels,
                endpoints=endpoints.facts(),
                **note,
            )
            self._surroundings.changed()
            log(f"{self.id}: connected, incarnation {self.facts.incarnation}")

        sockets.open(channels, done, persistent)

    def _leave_sockets(self) -> None:
        """Make room for a new incarnation: journal what the sockets of this one still hold."""
        if self.sockets is None:
            return
        sockets, self.sockets = self.sockets, None
        sockets.flush()
        if sockets.channels:
            self.event(Event.DISCONNECTED, channel=None)
        self.dispatcher.refuse_deferred("a new incarnation was opened")

    def _close_sockets(self) -> None:
        if self.sockets is not None:
            self.sockets.close()
            self.sockets = None
        self.dispatcher.refuse_deferred("the connection was lost")
        self._surroundings.changed()

    def _received(self, channel: str, frames: Frames) -> None:
        passing(Step.MESSAGE_RECEIVED)
        self.record(Kind.RECV, {"c": channel, "i": self.facts.incarnation}, frames)
        passing(Step.MESSAGE_JOURNALED)

    def _ended(self, lost: str) -> None:
        """Everything that the sockets held is journaled: now say what became of them."""
        if self.sockets is not None and self.sockets.channels:
            self.event(Event.DISCONNECTED, channel=lost or None)
            log(f"{self.id}: disconnected, incarnation {self.facts.incarnation}")
        self._close_sockets()
        if self.process is not None and self.process.has_exited:
            self._record_exit(self.process)

    def check_incarnation(self, incarnation: int) -> None:
        """Refuse what was meant for another incarnation than the present one."""
        if incarnation != self.facts.incarnation:
            raise Refused(
                Refusal.STALE_INCARNATION, f"the incarnation is {self.facts.incarnation} now"
            )


def _is_news(kind: Kind, meta: dict[str, Any]) -> bool:
    """Whether the daemon is told at once: what it has sent itself is answered, and then echoed.

    An answer to an input_request is news all the same: nothing echoes it.
    """
    return kind != Kind.SENT or meta["c"] == "stdin"
