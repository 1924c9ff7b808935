"""Hand everything over to another keeper, and go on as before where that does not work out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from runtimed.host import Step, passing
from runtimed.keeper.identity import Identity
from runtimed.keeper.log import log
from runtimed.keeper.passage import Passage
from runtimed.keeper.process import Process, restore_file_limit
from runtimed.wire.link import MalformedFrame

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from runtimed.keeper.keeper import Keeper
    from runtimed.keeper.runtime import Runtime
    from runtimed.paths import State

#: How long a successor may take until it listens to all kernels.
READY_S = 10.0


class Refusing(Exception):
    """It cannot be handed over now; the sentence says why."""


def start_successor(state: State) -> subprocess.Popen[bytes]:
    """Start another keeper from the code on disk, told to take over from us; raises OSError."""
    child = subprocess.Popen(
        [*_appointed(state), "keeper", "--state-dir", state.dir, "--take-over"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        # The watchdog is the successor's from then on, as is NOTIFY_SOCKET.
        env={name: value for name, value in os.environ.items() if name != "WATCHDOG_PID"},
    )
    restore_file_limit(child.pid)
    return child


def _appointed(state: State) -> list[str]:
    """Return the program that whoever renews us wants, which an upgrade may have moved; else ours.

    Raises `OSError`.
    """
    try:
        with open(state.keeper_successor, encoding="utf-8") as file:
            command = json.load(file).get("command")
    except (FileNotFoundError, ValueError, AttributeError):
        command = None
    return command or [sys.executable, "-m", "runtimed"]


def answer_refused(state: State, reason: str) -> None:
    """Tell whoever has appointed a successor, and waits for it, why there is none."""
    # Written whole elsewhere first: it is read at any time.
    temporary = f"{state.keeper_successor}.{os.getpid()}"
    with contextlib.suppress(OSError):
        if not os.path.exists(state.keeper_successor):
            return
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump({"refused": reason}, file)
        os.replace(temporary, state.keeper_successor)


class Handover:
    """A successor of this keeper, from when it is awaited until it serves or is given up.

    Meanwhile the keeper goes on with its work. At the end there is one moment in which it does
    nothing else: either the successor has everything then, or nothing has changed.
    """

    def __init__(self, keeper: Keeper, child: subprocess.Popen[bytes] | None = None) -> None:
        self._keeper = keeper
        self._child = child
        self._passage: Passage | None = None
        self._pid = 0
        self._told: dict[str, int] = {}
        self._ready: dict[str, dict[str, Any]] | None = None
        self._is_over = False
        self._timer = keeper.loop.later(READY_S, lambda: self.give_up("it is not ready in time"))
        self._process: Process | None = None
        if child is not None:
            identity = Identity.of(child.pid) or Identity(child.pid, 0, "")
            self._process = Process(keeper.loop, identity, child, self._child_ended)

    @property
    def is_joined(self) -> bool:
        """Whether there is a successor already, and not only a process that may become it."""
        return self._passage is not None

    def join(self, stream: socket.socket, header: dict[str, Any]) -> None:
        """Take this connection for the successor's, and let it listen."""
        self._pid = int(header.get("pid") or 0)
        self._passage = Passage(stream)
        self._keeper.loop.watch(self._passage.fileno(), self._read)
        log(f"handing over to pid {self._pid}")
        passing(Step.PREDECESSOR_ASKED)
        self._tell(self._connected())

    def _connected(self) -> list[Runtime]:
        return [each for each in self._keeper.runtimes.values() if each.is_connected]

    def _tell(self, runtimes: Iterable[Runtime]) -> None:
        """Tell the successor which kernels to listen to."""
        told: dict[str, Any] = {}
        for runtime in runtimes:
            assert runtime.sockets is not None  # noqa: S101
            endpoints = runtime.sockets.endpoints
            incarnation = runtime.facts.incarnation
            runtime.heard = set()
            self._told[runtime.id] = incarnation
            told[runtime.id] = {
                "incarnation": incarnation,
                "endpoints": endpoints.facts(),
                "curve": endpoints.curve and [key.decode() for key in endpoints.curve],
                "launched": endpoints.launched,
            }
        self._ready = None
        self._send({"listen": told})

    def _send(self, header: dict[str, Any]) -> None:
        assert self._passage is not None  # noqa: S101
        try:
            self._passage.send(header)
        except OSError as error:
            self.give_up(f"it does not hear: {error}")

    def _read(self) -> None:
        if self._passage is None:
            return
        try:
            frames = self._passage.receive()
        except (EOFError, OSError, MalformedFrame) as error:
            self.give_up(str(error))
            return
        for header, _ in frames:
            if "refused" in header:
                self.give_up(str(header["refused"]))
            elif isinstance(header.get("ready"), dict):
                self._ready = header["ready"]

    def advance(self) -> None:
        """Look how far it is; called at the end of every turn of the loop."""
        if self._ready is None or self._is_over:
            return
        sets = (runtime.sockets for runtime in self._keeper.runtimes.values())
        if any(sockets is not None and sockets.is_ending for sockets in sets):
            return  # its last words come to us alone
        connected = self._connected()
        new = [each for each in connected if self._told.get(each.id) != each.facts.incarnation]
        if new:
            self._tell(new)
            return
        if all(self._is_overheard(each, self._ready.get(each.id)) for each in connected):
            self._commit()

    def _is_overheard(self, runtime: Runtime, ready: dict[str, Any] | None) -> bool:
        """Whether the successor hears all that comes after what we have heard."""
        if ready is None or ready["incarnation"] != runtime.facts.incarnation:
            return False
        first = ready["first"]
        return first is None or bytes.fromhex(first) in (runtime.heard or ())

    def _commit(self) -> None:
        """Hand over, or go on: nobody else has a turn until one of the two is certain."""
        try:
            self._check_journals()
            passing(Step.PREDECESSOR_OVERHEARD)
            self._hand()
            passing(Step.PREDECESSOR_ACCEPTED)
            for runtime in self._keeper.runtimes.values():
                if runtime.sockets is not None:
                    runtime.sockets.settle()
            self._check_journals()
            for runtime in self._keeper.runtimes.values():
                if runtime.is_alive:
                    runtime.rotate()  # its head is what the successor must know; else it reads more
            self._let_go()
        except Refusing as refusing:
            self._send({"refused": str(refusing)})
            self.give_up(str(refusing))
        except (EOFError, OSError, MalformedFrame) as error:
            self.give_up(str(error) or type(error).__name__)

    def _check_journals(self) -> None:
        if self._keeper.is_ending:
            raise Refusing("the keeper is ending")
        for runtime in self._keeper.runtimes.values():
            if not runtime.retry():
                raise Refusing(f"the journal of {runtime.id} cannot be written")

    def _hand(self) -> None:
        """Give away what only we have, and wait until it has arrived."""
        assert self._passage is not None  # noqa: S101
        legacy = {
            id: {
                "environment": runtime.environment,
                "has_had_heartbeat": runtime.has_had_heartbeat,
            }
            for id, runtime in self._keeper.runtimes.items()
        }
        self._passage.send({"handover": legacy}, descriptors=self._keeper.descriptors)
        passing(Step.PREDECESSOR_HANDED)
        while True:
            for header, _ in self._passage.receive():
                if "refused" in header:
                    raise Refusing(str(header["refused"]))
                if "accepted" in header:
                    return

    def _let_go(self) -> None:
        assert self._passage is not None  # noqa: S101
        connected = self._connected()
        header = {
            "go": [runtime.id for runtime in connected],
            "incarnations": [runtime.facts.incarnation for runtime in connected],
        }
        if self._child is not None and self._child.pid == self._pid:
            self._keeper.manager.notify(f"MAINPID={self._pid}")
        self._passage.send(header, [b"".join(runtime.heard or ()) for runtime in connected])
        passing(Step.PREDECESSOR_LEFT)
        self._is_over = True
        self._timer.cancel()
        if self._child is not None:
            self._child.returncode = 0  # it outlives us: Popen must not warn of that
        log(f"pid {self._pid} has taken over")
        self._keeper.leave()

    def finish(self) -> None:
        """Hang up: there is no connection of ours to any kernel any more."""
        if self._passage is not None:
            self._passage.close()
            self._passage = None

    def _child_ended(self, process: Process) -> None:
        how = f"status {process.code}" if process.signal is None else f"signal {process.signal}"
        self.give_up(f"it ended with {how}")

    def give_up(self, reason: str) -> None:
        """Do without this successor."""
        if self._is_over:
            return
        self._is_over = True
        self._timer.cancel()
        log(f"not handed over: {reason}; this keeper goes on")
        if self._passage is not None:
            self._keeper.loop.unwatch(self._passage.fileno())
            self.finish()
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
        for runtime in self._keeper.runtimes.values():
            runtime.heard = None
        self._keeper.stay(reason)
