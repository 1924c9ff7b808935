"""One incarnation's ZeroMQ sockets: never blocking, never reconnecting, nothing lost at the end."""

from __future__ import annotations

import itertools
import struct
from collections import deque
from typing import TYPE_CHECKING

import zmq

from runtimed.keeper.endpoints import Knock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Loop, Timer

Frames = list[bytes | memoryview]

MESSAGES_PER_TURN = 64
COPY_LIMIT_BYTES = 65536
#: How long the rest of a set may still bring what was under way when one of its sockets went.
ENDING_GRACE_S = 1.0
_RETRY_HANDSHAKE_S = 0.2

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
#: How long a question waits for what was printed before it.
QUESTION_PATIENCE_S = 0.002
#: Turns of iopub before a question, at the most: a thread may print without end.
_TURNS_BEFORE_A_QUESTION = 100
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


class SocketSet:
    """The sockets of one incarnation; once one of them is lost, all of them are.

    ``on_end`` is called when everything that they still held was delivered.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        loop: Loop,
        endpoints: Endpoints,
        routing_id: bytes,
        on_message: Callable[[str, Frames], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.endpoints = endpoints
        self.is_usable = False
        self._context = context
        self._loop = loop
        self._routing_id = routing_id
        self._on_message = on_message
        self._on_end = on_end
        self._channels: dict[str, Channel] = {}
        self._opening: _Opening | None = None
        self._lost: str | None = None
        self._grace: Timer | None = None
        self._is_closed = False
        self._questions: deque[Frames] = deque()

    @property
    def channels(self) -> list[str]:
        """The channels that are connected."""
        return sorted(self._channels)

    @property
    def is_opening(self) -> bool:
        return self._opening is not None

    @property
    def promised(self) -> int:
        """How many channels are to be opened and have no socket yet."""
        return 0 if self._opening is None else self._opening.promised

    def open(
        self, names: Sequence[str], done: Callable[[str | None], None], persistent: bool = False
    ) -> None:
        """Connect these channels; ``done(None)`` when all of them are, ``done(reason)`` when not.

        One opening at a time. With ``persistent`` it is tried until `close`.
        """
        self._opening = _Opening(names, done, persistent)
        self._knock()

    def _knock(self) -> None:
        if self._opening is None or self._is_closed:
            return
        opening = self._opening
        opening.knock = Knock(
            self._loop, self.endpoints, opening.names, self._knocked, opening.persistent
        )

    def _knocked(self, reason: str | None) -> None:
        if self._opening is None:
            return
        if reason is not None:
            self._fail_opening(reason)
            return
        self.endpoints.keep()
        for name in self._opening.names:
            try:
                channel = Channel(self._context, self._loop, name, self.endpoints, self._routing_id)
            except zmq.ZMQError as error:  # no descriptor left
                self._fail_opening(str(error))
                return
            channel.on_change = self._changed
            channel.on_message = self._asked if name == "stdin" else self._on_message
            self._opening.channels[name] = channel
        for channel in list(self._opening.channels.values()):
            self._changed(channel)

    def _changed(self, channel: Channel) -> None:
        if self._opening is not None and channel in self._opening.channels.values():
            if channel.is_down:
                self._fail_opening(f"{channel.name} did not shake hands")
            elif len(self._opening.channels) == len(self._opening.names) and all(
                each.is_up for each in self._opening.channels.values()
            ):
                self._finish_opening()
        elif channel.is_down:
            self.end(channel.name)

    def _fail_opening(self, reason: str) -> None:
        opening = self._opening
        assert opening is not None  # noqa: S101
        opening.close()
        if opening.persistent:
            self._loop.later(_RETRY_HANDSHAKE_S, self._knock)
            return
        self._opening = None
        opening.done(reason)

    def _finish_opening(self) -> None:
        opening = self._opening
        assert opening is not None  # noqa: S101
        self._opening = None
        self._channels.update(opening.channels)
        self.is_usable = self._lost is None
        opening.done(None)
        for channel in opening.channels.values():
            channel.read()

    def _asked(self, name: str, frames: Frames) -> None:
        """Let what was printed before a question come first: it has a connection of its own."""
        self._questions.append(frames)
        self._loop.later(QUESTION_PATIENCE_S, self._deliver_questions)

    def _deliver_questions(self) -> None:
        iopub = self._channels.get("iopub")
        if self._questions and iopub is not None:
            for _ in range(_TURNS_BEFORE_A_QUESTION):
                if not iopub.turn():
                    break
        while self._questions and not self._is_closed:
            self._on_message("stdin", self._questions.popleft())

    def is_open(self, name: str) -> bool:
        """Say whether messages can be sent on this channel."""
        return name in self._channels

    def verify(self) -> bool:
        """Say whether no socket of the set is lost, as of now and not as of the last turn."""
        for channel in list(self._channels.values()):
            channel.read_monitor()
        return self.is_usable

    def send(self, name: str, frames: Sequence[bytes | memoryview]) -> None:
        """Send on an open channel; raises `zmq.Again`."""
        self._channels[name].send(frames)

    def end(self, lost: str = "") -> None:
        """Use no socket any more; deliver what all of them still hold, then call ``on_end``.

        The kernel's connections close one by one when it dies: the others' last messages may still
        be on their way when the first is gone. Where a child of the kernel keeps one of them open,
        its end is not waited for.
        """
        if self._is_closed:
            return
        if self._lost is None:
            self._lost = lost
            self.is_usable = False
            if self._opening is not None:
                opening, self._opening = self._opening, None
                opening.close()
            self._grace = self._loop.later(ENDING_GRACE_S, lambda: self._loop.ready(self._drain))
        self._lost = self._lost or lost
        if all(channel.is_down for channel in self._channels.values()):
            self._grace_over()

    def _grace_over(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
        self._loop.ready(self._drain)

    def _drain(self) -> bool:
        if self._is_closed:
            return False
        if any([channel.turn() for channel in self._channels.values()]):  # noqa: C419
            return True
        self._deliver_questions()
        self.close()
        self._on_end(self._lost or "")
        return False

    def flush(self) -> None:
        """Deliver what the sockets hold, now, and close them."""
        while any([channel.turn() for channel in self._channels.values()]):  # noqa: C419
            pass
        self._deliver_questions()
        self.close()

    def close(self, linger_ms: int = 0) -> None:
        """Close every socket now, without a word."""
        self._is_closed = True
        self.is_usable = False
        if self._grace is not None:
            self._grace.cancel()
        if self._opening is not None:
            self._opening.close()
            self._opening = None
        for channel in self._channels.values():
            channel.close(linger_ms)


class _Opening:
    """Channels on their way to being connected."""

    def __init__(
        self, names: Sequence[str], done: Callable[[str | None], None], persistent: bool
    ) -> None:
        self.names = list(names)
        self.done = done
        self.persistent = persistent
        self.knock: Knock | None = None
        self.channels: dict[str, Channel] = {}

    @property
    def promised(self) -> int:
        return len(self.names) - len(self.channels)

    def close(self) -> None:
        """Give up what was begun."""
        if self.knock is not None:
            self.knock.cancel()
        for channel in self.channels.values():
            channel.close()
        self.channels = {}
