"""One incarnation's ZeroMQ sockets: never blocking, never reconnecting, nothing lost at the end."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import zmq

from runtimed.keeper.channel import Channel
from runtimed.keeper.endpoints import Knock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.keeper.channel import Frames
    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Loop, Timer

#: How long the rest of a set may still bring what was under way when one of its sockets went.
ENDING_GRACE_S = 1.0
_RETRY_HANDSHAKE_S = 0.2

#: How long a question waits for what was printed before it.
QUESTION_PATIENCE_S = 0.002
#: Turns of iopub before a question, at the most: a thread may print without end.
_TURNS_BEFORE_A_QUESTION = 100


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
    def is_ending(self) -> bool:
        """Whether one is lost, and what the others still hold is being delivered."""
        return self._lost is not None

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

    def take(self, channel: Channel) -> None:
        """Use a channel that is connected already; its messages are delivered by who made it."""
        self._channels[channel.name] = channel
        channel.on_change = self._changed
        self._changed(channel)

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
        if not self._opening.names:
            self._finish_opening()
            return
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

    def settle(self) -> None:
        """Deliver what the sockets for requests hold: iopub is another's to read from now on."""
        for name, channel in self._channels.items():
            while name != "iopub" and channel.turn():
                pass
        self._deliver_questions()

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
