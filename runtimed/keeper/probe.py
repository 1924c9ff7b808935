"""Ask a kernel's heartbeat once, on a socket that exists only for that."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from runtimed.keeper.channel import Channel
from runtimed.keeper.endpoints import Knock

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from runtimed.keeper.channel import Frames
    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Loop


class Pulse(enum.Enum):
    """What became of a ping."""

    HEARD = "heard"
    SILENT = "silent"
    REFUSED = "refused"
    """Nobody listens there."""
    CANCELLED = "cancelled"


class Probe:
    """One ping; ``done`` is told what became of it."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        loop: Loop,
        endpoints: Endpoints,
        timeout_ms: int,
        done: Callable[[Pulse], None],
    ) -> None:
        self._context = context
        self._loop = loop
        self._endpoints = endpoints
        self._done: Callable[[Pulse], None] | None = done
        self._channel: Channel | None = None
        self._timer = loop.later(timeout_ms / 1000, lambda: self._finish(Pulse.SILENT))
        self._knock = Knock(loop, endpoints, ["hb"], self._knocked, persistent=False)

    def _knocked(self, reason: str | None) -> None:
        if reason is not None:
            self._finish(Pulse.REFUSED)
            return
        self._channel = Channel(self._context, self._loop, "hb", self._endpoints, b"")
        self._channel.on_message = self._answered
        self._channel.on_change = self._changed
        self._channel.read()
        self._channel.send([b"ping"])

    def _answered(self, name: str, frames: Frames) -> None:
        self._finish(Pulse.HEARD)

    def _changed(self, channel: Channel) -> None:
        if channel.is_down:
            self._finish(Pulse.SILENT)

    def cancel(self) -> None:
        """Wait for the answer no longer."""
        self._finish(Pulse.CANCELLED)

    def _finish(self, pulse: Pulse) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._timer.cancel()
        self._knock.cancel()
        if self._channel is not None:
            self._channel.close()
        done(pulse)
