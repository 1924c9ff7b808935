"""The keeper: all runtimes of one state directory, and how long to stay for them."""

from __future__ import annotations

import itertools
import os
import signal
from typing import TYPE_CHECKING, Any

from runtimed import __version__
from runtimed.host import Step, passing, process_start_time
from runtimed.keeper.channel import open_context
from runtimed.keeper.handover import Handover, answer_refused, start_successor
from runtimed.keeper.journal import Pending
from runtimed.keeper.link import Link, listen
from runtimed.keeper.log import log, warn
from runtimed.keeper.loop import Loop
from runtimed.keeper.oom import OomKills
from runtimed.keeper.operations import perform
from runtimed.keeper.probe import Probe, Pulse
from runtimed.keeper.recovery import recover
from runtimed.keeper.request import Refused
from runtimed.keeper.room import Room
from runtimed.keeper.runtime import Runtime
from runtimed.keeper.successor import Legacy
from runtimed.keeper.surroundings import Surroundings
from runtimed.paths import make_dirs
from runtimed.wire import link as codec
from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Timer
    from runtimed.keeper.process import Process
    from runtimed.keeper.successor import Inheritance
    from runtimed.paths import State
    from runtimed.supervision import ServiceManager

LINGER_S = float(os.environ.get("RUNTIMED_KEEPER_LINGER_S", "10"))
KILL_AFTER_S = 5.0
#: How long a daemon is kept waiting until the kernels that were handed over are connected.
CONNECT_S = 1.0
RETRY_JOURNALS_S = 1.0
#: How long what was sent last may take to leave the process when it ends.
_SEND_LINGER_MS = 500


class Keeper:
    """The owner of everything in this process."""

    def __init__(self, state: State, manager: ServiceManager) -> None:
        self.loop = Loop()
        self.context = open_context()
        self._state = state
        self.manager = manager
        self.runtimes: dict[str, Runtime] = {}
        self.is_ending = False
        self._ending: list[Process] | None = None
        self._probes: dict[int, Probe] = {}
        self._probe_number = itertools.count()
        self._was_asked_to_end = False
        self.handover: Handover | None = None
        """To a successor that is on its way, or has taken over."""
        self.has_left = False
        """Whether a successor has everything: nothing here is ours to touch any more."""
        self._lock = -1
        self._listener: socket.socket | None = None
        self._linger: Timer | None = None
        self._retry: Timer | None = None
        self._surroundings = Surroundings(
            self.loop,
            self.context,
            Pending(),
            Room(self._promised),
            OomKills(),
            self._ring,
            self._stuck,
            self._changed,
        )
        self._link: Link | None = None
        self.loop.before_wait(self._advance)

    def start(self, inheritance: Inheritance) -> None:
        """Take over what an earlier keeper left, then listen; raises OSError.

        What one has handed over is connected again first, as far as that takes no time: a daemon
        that comes meanwhile waits for its answer.
        """
        make_dirs(self._state.journals)
        for id in sorted(os.listdir(self._state.journals)):
            if os.path.isdir(self._state.journal(id)):
                self._recover(id, inheritance)
        for legacy in inheritance.runtimes.values():
            if legacy.overheard is not None and not legacy.overheard.is_released:
                legacy.overheard.close()
        if inheritance.is_planned:
            passing(Step.SUCCESSOR_RECOVERED)
        self._lock = inheritance.lock
        self._listener = inheritance.listener or listen(self._state.keeper_socket)
        if inheritance.is_planned:
            self.loop.later(CONNECT_S, self._open_link)
        else:
            self._open_link()
        self._changed()

    def _recover(self, id: str, inheritance: Inheritance) -> None:
        runtime = Runtime(id, self._state.journal(id), self._surroundings)
        legacy = inheritance.runtimes.get(id, Legacy())
        try:
            recover(runtime, legacy, is_planned=inheritance.is_planned)
        except OSError as error:
            warn(f"its journal cannot be read back: {error}", id)
            return
        self.runtimes[id] = runtime

    def _open_link(self) -> None:
        if self._link is None and self._listener is not None:
            self._link = Link(
                self.loop, self._listener, self._hello, self._perform, self._changed, self._succeed
            )
            self._changed()

    # A successor

    @property
    def descriptors(self) -> list[int]:
        """The lock and the listening socket."""
        assert self._listener is not None  # noqa: S101
        return [self._lock, self._listener.fileno()]

    def renew(self) -> None:
        """Have a keeper of the code on disk take over; not while one is doing so."""
        if self.handover is not None or self.is_ending or self._link is None:
            return
        try:
            child = start_successor(self._state)
        except OSError as error:
            log(f"no successor can be started: {error}")
            answer_refused(self._state, str(error))
            return
        self.handover = Handover(self, child)

    def _succeed(self, stream: socket.socket, header: dict[str, Any]) -> None:
        if self.handover is None:
            self.handover = Handover(self)
        if self.handover.is_joined or self.is_ending:
            with stream:
                sentence = "the keeper is ending" if self.is_ending else "another is taking over"
                stream.send(codec.encode({"refused": sentence}))
            return
        self.handover.join(stream, header)

    def _advance(self) -> None:
        if self.handover is not None:
            self.handover.advance()

    def stay(self, reason: str) -> None:
        """Go on: the successor was given up."""
        self.handover = None
        answer_refused(self._state, reason)

    def leave(self) -> None:
        """End without touching anything: the successor has it."""
        self.has_left = True
        self.loop.halt()

    def run(self) -> None:
        """Serve until there is nothing left to serve, or until told to end."""
        self.loop.run()
        for probe in list(self._probes.values()):
            probe.cancel()
        if self._link is not None:
            self._link.close()
        for runtime in self.runtimes.values():
            if runtime.sockets is not None:
                runtime.sockets.close(_SEND_LINGER_MS)
        # Which also closes whatever nobody closed: a term would wait for it, and hold the lock.
        self.context.destroy(linger=0)
        if self.handover is not None:
            self.handover.finish()
        if not self.has_left:
            os.unlink(self._state.keeper_socket)

    # Runtimes

    def find(self, id: str) -> Runtime:
        """Return a runtime that exists; refuse for any other."""
        try:
            return self.runtimes[id]
        except KeyError:
            raise Refused(Refusal.UNKNOWN_RUNTIME, f"no runtime {id}") from None

    def create(self, id: str) -> Runtime:
        """Return the runtime of this id, new if there is none."""
        if not id or "/" in id or "\0" in id or id.startswith("."):
            raise Refused(Refusal.BAD_REQUEST, f"{id!r} cannot name a journal")
        if id not in self.runtimes:
            self.runtimes[id] = Runtime(id, self._state.journal(id), self._surroundings)
        return self.runtimes[id]

    def forget(self, id: str) -> None:
        """Let go of a runtime; its journal files are the daemon's to unlink."""
        self.find(id).forget()
        del self.runtimes[id]
        self._changed()

    def probe(self, endpoints: Endpoints, timeout_ms: int, done: Callable[[Pulse], None]) -> None:
        """Ask a heartbeat; ``done`` is told what came of it, at the latest when the keeper ends."""
        number = next(self._probe_number)

        def finished(pulse: Pulse) -> None:
            del self._probes[number]
            done(pulse)

        self._probes[number] = Probe(self.context, self.loop, endpoints, timeout_ms, finished)

    def _promised(self) -> int:
        sets = (runtime.sockets for runtime in self.runtimes.values())
        return sum(sockets.promised for sockets in sets if sockets is not None)

    def _hello(self) -> dict[str, Any]:
        pid = os.getpid()
        runtimes = {
            id: {
                "incarnation": runtime.facts.incarnation,
                "pid": runtime.facts.pid,
                "alive": runtime.is_alive,
                "connected": runtime.is_connected,
                "end": runtime.end,
            }
            for id, runtime in self.runtimes.items()
        }
        keeper = f"{pid}.{process_start_time(pid)}"
        return {"pid": pid, "release": __version__, "keeper": keeper, "runtimes": runtimes}

    def _perform(self, request: Any) -> None:
        perform(self, request)

    def _ring(self, runtime: str, end: int, *, is_urgent: bool = True) -> None:
        if self._link is not None:
            self._link.ring(runtime, end, is_urgent=is_urgent)

    # Journals that cannot be written

    def _stuck(self) -> None:
        if self._retry is None:
            warn("a journal cannot be written; what arrives waits in memory")
            self._retry = self.loop.later(RETRY_JOURNALS_S, self._retry_journals)

    def _retry_journals(self) -> None:
        self._retry = None
        results = [runtime.retry() for runtime in self.runtimes.values()]
        if all(results):
            log("all journals are written again")
        else:
            self._retry = self.loop.later(RETRY_JOURNALS_S, self._retry_journals)

    # The end

    def terminate(self) -> None:
        """Act on a SIGTERM: with kernels and nobody who manages us, only the second one counts.

        Kernels that others have started are not held up by our end.
        """
        alive = [id for id, runtime in self.runtimes.items() if runtime.is_alive]
        ours = [id for id in alive if self.runtimes[id].facts.launched]
        if ours and not self.manager.is_present and not self._was_asked_to_end:
            self._was_asked_to_end = True
            warn(f"SIGTERM refused: {len(ours)} kernels are connected; a second one detaches")
            return
        if alive:
            log(f"detaching from {len(alive)} kernels, which live on")
        self._begin_ending()
        self.loop.stop()

    def _begin_ending(self) -> None:
        self.is_ending = True
        for runtime in self.runtimes.values():
            runtime.dispatcher.refuse_deferred("the keeper is ending")

    def stop(self, with_kernels: bool) -> None:
        """End, after ending the kernels that we launched if so asked; others are left alone."""
        ours = [
            runtime.process
            for runtime in self.runtimes.values()
            if runtime.process is not None and runtime.facts.launched
        ]
        self._begin_ending()
        self._ending = ours if with_kernels else []
        for process in self._ending:
            process.signal_tree(signal.SIGTERM)
        self.loop.later(KILL_AFTER_S, self._kill)
        self._changed()

    def _kill(self) -> None:
        for process in self._ending or ():
            process.signal_tree(signal.SIGKILL)

    def _changed(self) -> None:
        """Look whether there is still a reason to be here."""
        if self._link is None:
            sets = [runtime.sockets for runtime in self.runtimes.values()]
            if not any(sockets is not None and sockets.is_opening for sockets in sets):
                self._open_link()
            return
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        alive = [runtime for runtime in self.runtimes.values() if runtime.is_alive]
        if self._ending is not None:
            # A kernel is done with when its exit is on the record, not when it has exited.
            watched = [runtime.process for runtime in alive]
            if not any(process in watched for process in self._ending):
                self._kill()
                self.loop.stop()
        elif not alive and not self._link.has_daemon and not self.manager.is_present:
            self._linger = self.loop.later(LINGER_S, self.loop.stop)
