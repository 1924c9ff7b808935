"""One runtime: its process, its incarnations, its journal, and what may be done with it."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

from runtimed.cgroups import kernel_unit
from runtimed.host import KERNEL_MARK, Step, boot_id, environment_of, passing
from runtimed.keeper.chronicle import Chronicle
from runtimed.keeper.confinement import UNCONFINED
from runtimed.keeper.dispatch import Dispatcher
from runtimed.keeper.endpoints import CHANNELS, Endpoints, UnusableConnectionFile
from runtimed.keeper.facts import Phase
from runtimed.keeper.headers import fingerprint
from runtimed.keeper.identity import Identity
from runtimed.keeper.log import log
from runtimed.keeper.probe import Pulse
from runtimed.keeper.process import Process, spawn
from runtimed.keeper.recording import written_part
from runtimed.keeper.request import Refused
from runtimed.keeper.sockets import SocketSet
from runtimed.wire.journal import Event, Kind
from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from runtimed.keeper.channel import Frames
    from runtimed.keeper.confinement import Confinement
    from runtimed.keeper.overheard import Overheard
    from runtimed.keeper.surroundings import Surroundings


class Runtime(Chronicle):
    """The owner of one runtime's state in the keeper."""

    def __init__(self, id: str, directory: str, surroundings: Surroundings) -> None:
        super().__init__(id, directory, surroundings)
        self.process: Process | None = None
        self.environment: dict[str, str] | None = None
        self.sockets: SocketSet | None = None
        self.has_had_heartbeat = False
        self.heard: set[bytes] | None = None
        """The fingerprints of what came on iopub, where another keeper listens too."""
        self._is_kept = False
        self._kills_before: dict[str, int] = {}
        self.dispatcher = Dispatcher(self)

    @property
    def is_alive(self) -> bool:
        """Whether there is a kernel: a process that we watch, or a connection to one unknown."""
        return self.process is not None or self.is_connected

    @property
    def is_connected(self) -> bool:
        return self.sockets is not None and self.sockets.is_usable

    # Its end here

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
        confinement: Confinement = UNCONFINED,
    ) -> Process:
        """Start the kernel and begin to connect to it."""
        if self.process is not None or self.facts.phase == Phase.SPAWNING:
            raise Refused(Refusal.ALREADY_RUNNING, f"{self.id} has a running process")
        given = environment if environment is not None else self.environment
        if given is None:
            raise Refused(Refusal.NO_ENVIRONMENT, "the old kernel's environment is not known")
        self.check_room(channels=len(CHANNELS), kernels=1)
        self._leave_sockets()
        intent: dict[str, Any] = {
            "argv": argv,
            "cwd": cwd,
            "connection_file": connection_file,
            "stdout": outputs[0],
            "stderr": outputs[1],
        }
        incarnation = self.facts.incarnation + 1
        unit = kernel_unit(self.id, incarnation)
        meta = {"event": Event.SPAWNING, "incarnation": incarnation, **intent}
        if not self.record(Kind.EVENT, meta, or_refuse=True):
            raise Refused(Refusal.JOURNAL_FAILED, "the journal cannot be written")
        try:
            marked = {**given, KERNEL_MARK: f"{self.id}.{os.urandom(8).hex()}"}
            command, marked = confinement.command(unit, argv, marked)
            child = spawn(command, cwd, marked, *outputs, confinement)
        except (OSError, ValueError) as error:
            name = errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
            message = f"{name}: {error}"
            self.exited("not_started", error=message)
            raise Refused(Refusal.SPAWN_FAILED, message) from error
        is_scoped = bool(confinement.scope_argv)
        self._kills_before = self._surroundings.oom.before(child.pid, is_leaving=is_scoped)
        self.environment = given if keep_environment else None
        identity = Identity.of(child.pid) or Identity(child.pid, 0, boot_id())
        self.event(
            Event.SPAWNED,
            pid=identity.pid,
            start_time=identity.start_time,
            boot_id=identity.boot_id,
            scope=unit if is_scoped else None,
            **intent,
        )
        log(f"spawned pid {identity.pid}, incarnation {incarnation}", self.id)
        process = self._watch(identity, child)
        self._connect(CHANNELS, persistent=True, note={"same_process": False})
        return process

    def check_room(self, channels: int, kernels: int = 0) -> None:
        """Refuse where so much more cannot be held open."""
        self._surroundings.room.check(channels, kernels)

    def _watch(self, identity: Identity, child: subprocess.Popen[bytes] | None) -> Process:
        self.process = Process(self._surroundings.loop, identity, child, self._exited, self.id)
        self._surroundings.changed()
        return self.process

    def _exited(self, process: Process) -> None:
        if self.sockets is not None:
            self.sockets.end()
        else:
            self._record_exit(process)

    def _record_exit(self, process: Process) -> None:
        self.process = None
        self.exited(
            process.reason,
            pid=process.pid,
            code=process.code,
            signal=process.signal,
            scope=process.scope.unit if process.scope else None,
            oom=process.signal == signal.SIGKILL
            and not process.was_killed
            and self._surroundings.oom.has_killed(self._kills_before),
        )
        log(f"pid {process.pid} exited ({process.reason})", self.id)
        self.discard_endpoints()
        self.journal.close()
        self._surroundings.changed()

    def discard_endpoints(self) -> None:
        """Remove the socket files of a kernel that has gone."""
        try:
            self.endpoints().discard()
        except UnusableConnectionFile as error:
            log(f"its socket files stay: {error}", self.id)

    def endpoints(self) -> Endpoints:
        """Return where the kernel listens; raises `UnusableConnectionFile`.

        A connection file may be deleted while the kernel lives, or by the kernel when it ends.
        """
        try:
            return Endpoints.load(
                self.facts.connection_file or "", launched=self.facts.launched, ip=self.facts.ip
            )
        except UnusableConnectionFile:
            if not self.facts.endpoints:
                raise
            return Endpoints.of(self.facts.endpoints, launched=self.facts.launched)

    def heartbeat(self, pulse: Pulse) -> bool | None:
        """Say what a probe's end tells of the heartbeat, None if nothing.

        Some kernels bind it after all else: that it is refused means something once it was heard.
        """
        if pulse is Pulse.HEARD:
            self.has_had_heartbeat = True
            return True
        is_unbound = pulse is Pulse.REFUSED and self.is_connected and not self.has_had_heartbeat
        return None if is_unbound or pulse is Pulse.CANCELLED else False

    # Connections

    def open(
        self,
        connection_file: str,
        identity: Identity | None,
        launched: bool,
        channels: Sequence[str],
        reason: str | None = None,
        ip: str | None = None,
        overheard: Overheard | None = None,
    ) -> None:
        """Connect to a kernel that exists: a new incarnation, which the journal tells.

        ``ip`` is what is meant where the connection file has a relative path, ``overheard`` is its
        iopub, where that was connected before.
        """
        if identity is None and launched and self.process is not None:
            identity = self.process.identity
        same = identity is not None and identity.pid == self.facts.pid
        same = same and identity is not None and identity.start_time == self.facts.start_time
        if reason is None:
            held = 0 if self.sockets is None else len(self.sockets.channels)
            self.check_room(max(0, len(channels) - held), kernels=int(self.process is None))
        self._leave_sockets()
        meta = {
            "event": Event.OPENING,
            "incarnation": self.facts.incarnation + 1,
            "pid": identity.pid if identity else None,
            "start_time": identity.start_time if identity else None,
            "boot_id": boot_id(),
            "connection_file": connection_file,
            "ip": ip,
            "launched": launched,
            "channels": list(channels),
            "overlaps": overheard is not None and overheard.is_complete,
        }
        if not self.record(Kind.EVENT, meta, or_refuse=reason is None):
            if reason is None:
                raise Refused(Refusal.JOURNAL_FAILED, "the journal cannot be written")
        if identity is not None and (self.process is None or self.process.identity != identity):
            if self.process is not None:
                self.process.forget()
            self._watch(identity, None)
            self._kills_before = {}
            # Whoever started another's kernel restarts it: its variables are nothing to us.
            known = environment_of(identity.pid) if launched else None
            self.environment = known or (self.environment if launched else None)
        note: dict[str, Any] = {"same_process": same}
        if reason is not None:
            note["reason"] = reason
        # What is recovered may still be starting; what is adopted either listens or does not.
        self._connect(channels, reason is not None and launched, note, overheard)

    def _connect(
        self,
        channels: Sequence[str],
        persistent: bool,
        note: dict[str, Any],
        overheard: Overheard | None = None,
    ) -> None:
        self.has_had_heartbeat = self.has_had_heartbeat and note["same_process"]
        self._is_kept = False
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
                log(f"not connected: {reason}", self.id)
                self._close_sockets()
                return
            pid = self.facts.pid
            if self.process is not None and self.process.find_scope() is not None:
                self._kills_before = self._surroundings.oom.before(self.process.pid)
            self.event(
                Event.CONNECTED,
                pid=pid,
                channels=sockets.channels,
                endpoints=endpoints.facts(),
                **note,
            )
            self._surroundings.changed()
            log(f"connected, incarnation {self.facts.incarnation}", self.id)

        if overheard is not None:
            overheard.release(self._received)
            if overheard.channel.is_down:
                overheard.close()
            else:
                sockets.take(overheard.channel)
                channels = [name for name in channels if name != "iopub"]
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
        if channel == "shell" and not self._is_kept and self.sockets is not None:
            # Its heartbeat, often bound after we were connected, is there when it first answers.
            self._is_kept = True
            self.sockets.endpoints.keep()
        meta: dict[str, Any] = {"c": channel, "i": self.facts.incarnation}
        written: tuple[Sequence[bytes | memoryview], bool] | None = (frames, False)
        if channel == "iopub":
            if self.heard is not None:
                self.heard.add(fingerprint(frames))
            written = written_part(frames, self.facts.record, self.facts.session)
        if written is None:
            self.facts.apply(Kind.RECV, meta, frames)
            return
        if written[1]:
            meta["redacted"] = True
        self.record(Kind.RECV, meta, written[0])
        passing(Step.MESSAGE_JOURNALED)

    def _ended(self, lost: str) -> None:
        """Everything that the sockets held is journaled: now say what became of them."""
        if self.sockets is not None and self.sockets.channels:
            self.event(Event.DISCONNECTED, channel=lost or None)
            log(f"disconnected, incarnation {self.facts.incarnation}", self.id)
        self._close_sockets()
        if self.process is not None and self.process.has_exited:
            self._record_exit(self.process)

    def check_incarnation(self, incarnation: int) -> None:
        """Refuse what was meant for another incarnation than the present one."""
        if incarnation != self.facts.incarnation:
            raise Refused(
                Refusal.STALE_INCARNATION, f"the incarnation is {self.facts.incarnation} now"
            )
