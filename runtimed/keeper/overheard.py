"""A kernel's iopub, listened to beside the keeper that still has the kernel.

That we are subscribed is proven by the first message that comes. A kernel that says nothing is made
to: one with JEP 65 welcomes the first subscriber of each topic, and ours is one of our own. Of any
other kernel that stays silent it is enough that the connection has stood for a while.

https://jupyter.org/enhancement-proposals/65-jupyter-xpub/jupyter-xpub.html
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from runtimed.keeper.channel import Channel
from runtimed.keeper.headers import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from runtimed.keeper.channel import Frames
    from runtimed.keeper.endpoints import Endpoints
    from runtimed.keeper.loop import Loop

#: How long a connection that brings nothing must stand until it is taken for a subscription: the
#: kernel's own thread reads it in less than a millisecond.
SETTLE_S = 0.3
#: How long a connection may take to come about: a stopped kernel makes none.
CONNECT_S = 2.0
_TOPIC = b"runtimed.succession."


class Overheard:
    """What came on one kernel's iopub before it was ours to write down.

    ``settled`` is called once: when a message has come, or none is waited for any longer.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        loop: Loop,
        endpoints: Endpoints,
        settled: Callable[[], None],
    ) -> None:
        self.first: bytes | None = None
        """The fingerprint of the first message."""
        self.is_settled = self.is_released = False
        self._settled = settled
        self._loop = loop
        self._messages: deque[Frames] = deque()
        self._known: frozenset[bytes] = frozenset()
        self._was_told = False
        self.channel = Channel(context, loop, "iopub", endpoints, b"")
        self.channel.subscribe(_TOPIC + os.urandom(8).hex().encode())
        self.channel.on_message = self._heard
        self.channel.on_change = self._changed
        loop.later(CONNECT_S, self._settle)
        self._changed(self.channel)
        self.channel.read()

    def _heard(self, name: str, frames: Frames) -> None:
        self._messages.append(frames)
        if self.first is None:
            self.first = fingerprint(frames)
            self._settle()

    def _changed(self, channel: Channel) -> None:
        if channel.is_down:
            self._settle()
        elif channel.is_up:
            self._loop.later(SETTLE_S, self._settle)

    def _settle(self) -> None:
        if not self.is_settled:
            self.is_settled = True
            self._loop.later(0, self._settled)

    def know(self, heard: frozenset[bytes]) -> None:
        """Take note of the fingerprints of what the predecessor has journaled meanwhile."""
        self._known = heard
        self._was_told = True

    @property
    def is_complete(self) -> bool:
        """Whether what the predecessor did not journal came, or will come, to us."""
        if not self._was_told:
            return False
        if self.first is not None:
            return self.first in self._known or not self._known
        return self.channel.is_up and not self._known

    def release(self, deliver: Callable[[str, Frames], None]) -> None:
        """Deliver what has come and will come, but for what the predecessor has journaled."""

        def sift(name: str, frames: Frames) -> None:
            if self._known:
                if fingerprint(frames) in self._known:
                    return
                self._known = frozenset()  # in the kernel's order: nothing after it is known
            deliver(name, frames)

        self.is_released = True
        messages, self._messages = self._messages, deque()
        for frames in messages:
            sift("iopub", frames)
        self.channel.on_message = sift
        while self.channel.is_down and self.channel.turn():
            pass

    def close(self) -> None:
        """Listen no longer."""
        self.channel.close()
