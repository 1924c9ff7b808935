"""Take everything over from a keeper that lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zmq

from runtimed.host import Step, passing
from runtimed.keeper.endpoints import Endpoints
from runtimed.keeper.headers import FINGERPRINT_BYTES
from runtimed.keeper.log import log
from runtimed.keeper.overheard import Overheard
from runtimed.keeper.passage import Passage
from runtimed.wire.link import MalformedFrame, Op

if TYPE_CHECKING:
    from runtimed.keeper.loop import Loop, Timer
    from runtimed.paths import State

#: How long a keeper that holds the lock may neither answer nor leave: it begins, or ends.
PATIENCE_S = 10.0
_RETRY_S = 0.02
#: How long a predecessor that has let go may take to close its connections.
PARTING_S = 2.0


class NotSucceeded(Exception):
    """The other keeper goes on; the sentence says why."""


@dataclass(slots=True)
class Legacy:
    """What is left of one runtime's time with the predecessor."""

    environment: dict[str, str] | None = None
    has_had_heartbeat: bool = False
    overheard: Overheard | None = None
    """Its iopub, if it was connected."""


@dataclass(slots=True)
class Inheritance:
    """What a keeper begins with: the lock, and what a predecessor has handed over."""

    lock: int
    listener: socket.socket | None = None
    """None: there was no predecessor, or it died."""
    runtimes: dict[str, Legacy] = field(default_factory=dict)

    @property
    def is_planned(self) -> bool:
        """Whether it was handed over, and not left behind."""
        return self.listener is not None


def inherit(
    state: State, lock: int, loop: Loop, context: zmq.Context[zmq.Socket[bytes]]
) -> Inheritance:
    """Return what there is to begin with, as soon as the other keeper has handed it over or died.

    ``lock`` is the lock's file, open and not held. Raises `NotSucceeded`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Inheritance(lock)
        except BlockingIOError:
            pass
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.connect(state.keeper_socket)
        except (FileNotFoundError, ConnectionRefusedError):
            stream.close()
        else:
            inheritance = Succession(loop, context, Passage(stream)).run()
            if inheritance is not None:
                os.close(lock)
                return inheritance
        if time.monotonic() > deadline:
            raise NotSucceeded(f"the keeper of {state.dir} neither answers nor leaves")
        time.sleep(_RETRY_S)


class Succession:
    """A predecessor's side of the story as its successor follows it."""

    def __init__(
        self, loop: Loop, context: zmq.Context[zmq.Socket[bytes]], passage: Passage
    ) -> None:
        self._loop = loop
        self._context = context
        self._passage = passage
        self._overheard: dict[str, tuple[int, Overheard]] = {}
        self._handed: dict[str, Any] | None = None
        self._is_ready = self._is_told = False
        self._refusal: str | None = None
        self._parting: Timer | None = None

    def run(self) -> Inheritance | None:
        """Return what was handed over, None if the predecessor has gone. Raises `NotSucceeded`."""
        passing(Step.SUCCESSOR_CONNECTED)
        self._loop.watch(self._passage.fileno(), self._read)
        try:
            self._passage.send({"op": Op.SUCCEED, "pid": os.getpid(), "n": 0})
            self._loop.run()
        except OSError as error:
            log(f"the predecessor does not hear: {error}")
        self._loop.unwatch(self._passage.fileno())
        if self._parting is not None:
            self._parting.cancel()
        if not self._is_told or self._handed is None:
            for _, overheard in self._overheard.values():
                overheard.close()
            self._passage.close()
            if self._refusal is not None:
                raise NotSucceeded(self._refusal)
            return None
        lock, listener = self._passage.descriptors
        self._passage.descriptors = []
        self._passage.close()
        legacies = {
            id: Legacy(each["environment"], each["has_had_heartbeat"])
            for id, each in self._handed.items()
        }
        for id, (_, overheard) in self._overheard.items():
            legacies.setdefault(id, Legacy()).overheard = overheard
        stream = socket.socket(fileno=listener)
        stream.setblocking(False)
        return Inheritance(lock, stream, legacies)

    def _read(self) -> None:
        try:
            for header, payloads in self._passage.receive():
                self._hear(header, payloads)
        except (EOFError, OSError, MalformedFrame) as error:
            if not self._is_told:
                log(f"the predecessor has gone: {error}")
            self._loop.stop()

    def _hear(self, header: dict[str, Any], payloads: list[bytes]) -> None:
        if "refused" in header or "error" in header:
            self._refusal = str(header.get("refused") or "it does not know how to be succeeded")
            self._loop.stop()
        elif "listen" in header:
            self._is_ready = False
            for id, told in header["listen"].items():
                self._listen(id, told)
            passing(Step.SUCCESSOR_LISTENING)
            self._say_ready()
        elif "handover" in header:
            self._handed = header["handover"]
            passing(Step.SUCCESSOR_HANDED)
            self._passage.send({"accepted": True})
            passing(Step.SUCCESSOR_ACCEPTED)
        elif "go" in header:
            self._is_told = True
            passing(Step.SUCCESSOR_TOLD)
            self._keep(dict(zip(header["go"], header["incarnations"], strict=True)), payloads)
            self._parting = self._loop.later(PARTING_S, self._loop.stop)

    def _listen(self, id: str, told: dict[str, Any]) -> None:
        if id in self._overheard:
            self._overheard.pop(id)[1].close()
        facts, curve = told["endpoints"], told["curve"]
        endpoints = Endpoints(
            facts["transport"],
            facts["ip"],
            dict(facts["ports"]),
            (curve[0].encode(), curve[1].encode()) if curve else None,
            told["launched"],
        )
        try:
            overheard = Overheard(self._context, self._loop, endpoints, self._say_ready)
        except zmq.ZMQError as error:  # no descriptor left
            self._refusal = f"no room to listen to {id}: {error}"
            self._passage.send({"refused": self._refusal})
            self._loop.stop()
            return
        self._overheard[id] = (told["incarnation"], overheard)

    def _say_ready(self) -> None:
        """Say what was heard first of each kernel, once there is nothing more to wait for."""
        if self._is_ready or self._handed is not None or self._refusal is not None:
            return
        if not all(overheard.is_settled for _, overheard in self._overheard.values()):
            return
        ready = {
            id: {"incarnation": incarnation, "first": overheard.first and overheard.first.hex()}
            for id, (incarnation, overheard) in self._overheard.items()
        }
        self._is_ready = True
        with contextlib.suppress(OSError):  # that it has hung up is to be read as well
            self._passage.send({"ready": ready})
        passing(Step.SUCCESSOR_READY)

    def _keep(self, connected: dict[str, int], payloads: list[bytes]) -> None:
        """Keep of what we listen to the kernels that the predecessor was connected to."""
        known = dict(zip(connected, payloads, strict=True))
        for id, (incarnation, overheard) in list(self._overheard.items()):
            if connected.get(id) == incarnation:
                overheard.know(_split(known[id]))
            else:
                overheard.close()
                del self._overheard[id]


def _split(fingerprints: bytes) -> frozenset[bytes]:
    starts = range(0, len(fingerprints), FINGERPRINT_BYTES)
    return frozenset(fingerprints[start : start + FINGERPRINT_BYTES] for start in starts)
