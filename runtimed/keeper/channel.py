"""One ZeroMQ socket and its monitor: never blocking, never reconnecting."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Loop

Frames = list[bytes | memoryview]

MESSAGES_PER_TURN = 64
COPY_LIMIT_BYTES = 65536

# A socket must never reconnect: a DEALER that does hands old code to the next process at its
# address. RECONNECT_IVL=-1 does that, but it throws away what has arrived and was not yet read
# when the peer goes, and so does IMMEDIATE=1. The longest interval (24 days) keeps it; the set is
# closed on its first DISCONNECTED, long before.
_NEVER_MS = 2**31 - 1
_SOCKET_TYPES = {"iopub": zmq.SUB, "hb": zmq.REQ}
_LOST = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED
_FAILED = (
    zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | _LOST | _FAILED
_MONITOR_EVENT = struct.Struct("=hi")
_monitor_number = itertools.count()


def open_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return a context for as many sockets as ZeroMQ can count: by default it is 1,023."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 65535)
    return context


class Channel:
    """One socket and its monitor.

    ``ZMQ_FD`` tells of changes only: after any event on it, and after any send, ``ZMQ_EVENTS`` is
    read until empty; what a turn's budget leaves stays on the loop's ready list.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        loop: Loop,
        name: str,
        endpoints: Endpoints,
        routing_id: bytes,
    ) -> None:
        self.name = name
        self.is_up = False
        self.is_down = False
        self.on_message: Callable[[str, Frames], None] = lambda name, frames: None
        self.on_change: Callable[[Channel], None] = lambda channel: None
        self._loop = loop
        self._socket = context.socket(_SOCKET_TYPES.get(name, zmq.DEALER))
        self._configure(endpoints, routing_id)
        monitor = f"inproc://monitor-{next(_monitor_number)}"
        self._socket.monitor(monitor, _EVENTS)
        self._monitor = context.socket(zmq.PAIR)
        self._monitor.linger = 0
        self._monitor.connect(monitor)
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._monitor_fd = int(self._monitor.getsockopt(zmq.FD))
        self._is_reading = self._is_ready = self._is_closed = False
        self._socket.connect(endpoints.address(name))
        loop.watch(self._monitor_fd, self.read_monitor)
        self.read_monitor()

    def _configure(self, endpoints: Endpoints, routing_id: bytes) -> None:
        options = {
            zmq.LINGER: 0,
            zmq.RECONNECT_IVL: _NEVER_MS,
            # A stopped kernel accepts and says nothing; it is not gone, so nothing times out.
            zmq.HANDSHAKE_IVL: 0,
            # What arrives is bounded by the journal's own count. What is sent is bounded here: a
            # kernel that takes nothing ends in EAGAIN, which is a result, and not in our memory.
            zmq.RCVHWM: 0,
            zmq.SNDHWM: 1000,
            zmq.IPV6: int(endpoints.is_ipv6),
        }
        for option, value in options.items():
            self._socket.setsockopt(option, value)
        if self.name in ("shell", "control", "stdin"):
            self._socket.setsockopt(zmq.ROUTING_ID, routing_id)
        if self.name == "iopub":
            self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        if endpoints.curve is not None:
            public, secret = endpoints.curve
            self._socket.curve_publickey = public
            self._socket.curve_secretkey = secret
            self._socket.curve_serverkey = public

    def subscribe(self, topic: bytes) -> None:
        """Ask for one more topic."""
        self._socket.setsockopt(zmq.SUBSCRIBE, topic)

    def read(self) -> None:
        """Begin to deliver messages."""
        if not self._is_reading and not self._is_closed:
            self._is_reading = True
            self._loop.watch(self._fd, self._wake)
            self._wake()

    def _wake(self) -> None:
        if not self._is_ready and not self._is_closed and self.turn():
            self._is_ready = True
            self._loop.ready(self._ready_turn)

    def _ready_turn(self) -> bool:
        self._is_ready = not self._is_closed and self.turn()
        return self._is_ready

    def turn(self) -> bool:
        """Deliver a budget's worth of messages; return whether more are there."""
        for _ in range(MESSAGES_PER_TURN):
            if self._is_closed or not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return False
            self.on_message(self.name, self._receive())
        return True

    def _receive(self) -> Frames:
        """Take one message; large frames are not copied."""
        frames: Frames = []
        while True:
            frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            frames.append(frame.bytes if len(frame) < COPY_LIMIT_BYTES else frame.buffer)
            if not frame.more:
                return frames

    def send(self, frames: Sequence[bytes | memoryview]) -> None:
        """Hand one message to ZeroMQ; raises `zmq.Again` when it does not fit."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        finally:
            if self._is_reading:
                self._wake()

    def read_monitor(self) -> None:
        """Take note of what became of the connection."""
        while not self._is_closed and int(self._monitor.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            event = _MONITOR_EVENT.unpack(self._monitor.recv_multipart(zmq.NOBLOCK)[0])[0]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.is_up = True
            elif event & (_LOST | _FAILED):
                self.is_down = True
            self.on_change(self)

    def close(self, linger_ms: int = 0) -> None:
        """Close socket and monitor; what was sent has this long to leave."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.unwatch(self._fd)
        self._loop.unwatch(self._monitor_fd)
        self._socket.monitor(None, 0)
        self._monitor.close(linger=0)
        self._socket.close(linger=linger_ms)
