"""Ask a kernel's heartbeat once, on a socket that exists only for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.keeper.endpoints import Knock
from runtimed.keeper.sockets import Channel, Frames

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Loop


class Probe:
    """One ping; ``done`` is told whether it came back in time."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        loop: Loop,
        endpoints: Endpoints,
        timeout_ms: int,
        done: Callable[[bool], None],
    ) -> None:
        self._context = context
        self._loop = loop
        self._endpoints = endpoints
        self._done: Callable[[bool], None] | None = done
        self._channel: Channel | None = None
        self._timer = loop.later(timeout_ms / 1000, lambda: self._finish(False))
        self._knock = Knock(loop, endpoints, ["hb"], self._knocked, persistent=False)

    def _knocked(self, reason: str | None) -> None:
        if reason is not None:
            self._finish(False)
            return
        self._channel = Channel(self._context, self._loop, "hb", self._endpoints, b"")
        self._channel.on_message = self._answered
        self._channel.on_change = self._changed
        self._channel.read()
        self._channel.send([b"ping"])

    def _answered(self, name: str, frames: Frames) -> None:
        self._finish(True)

    def _changed(self, channel: Channel) -> None:
        if channel.is_down:
            self._finish(False)

    def _finish(self, heartbeat: bool) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._timer.cancel()
        self._knock.cancel()
        if self._channel is not None:
            self._channel.close()
        done(heartbeat)
