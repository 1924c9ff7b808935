"""Send what the daemon dispatches: at most once, to the incarnation it is for, never blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zmq

from runtimed.host import Step, passing
from runtimed.keeper.headers import without_content
from runtimed.keeper.request import Refused
from runtimed.wire.journal import Event, Kind
from runtimed.wire.link import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.keeper.runtime import Runtime
    from runtimed.keeper.sockets import SocketSet


@dataclass(slots=True)
class Dispatch:
    """What the daemon wants to be sent."""

    incarnation: int
    channel: str
    frames: list[bytes]
    id: str | None = None
    is_secret: bool = False


@dataclass(slots=True)
class _Deferred:
    """A dispatch that waits for its channel, and who is told."""

    dispatch: Dispatch
    is_wanted: Callable[[], bool]
    done: Callable[[dict[str, Any] | Refused], None]


class Dispatcher:
    """The dispatches of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._deferred: list[_Deferred] = []

    def dispatch(
        self,
        dispatch: Dispatch,
        is_wanted: Callable[[], bool],
        done: Callable[[dict[str, Any] | Refused], None],
    ) -> None:
        """Send once, now or when the channel is open; ``done`` is told, if still wanted."""
        try:
            result = self._send(dispatch)
        except Refused as refused:
            done(refused)
            return
        if result is not None:
            done(result)
            return
        self._deferred.append(_Deferred(dispatch, is_wanted, done))
        sockets = self._runtime.sockets
        if sockets is not None and not sockets.is_opening:
            self._open(sockets, dispatch.channel)

    def _open(self, sockets: SocketSet, channel: str) -> None:
        """Open what a dispatch needs: whoever executes may also be asked for input."""
        wanted = {channel, "shell", "stdin"} if channel in ("shell", "stdin") else {channel}
        names = [name for name in wanted if not sockets.is_open(name)]
        try:
            self._runtime.check_room(channels=len(names))
        except Refused as refused:
            self._answer_deferred(refused)
            return
        sockets.open(names, self._opened)

    def _opened(self, reason: str | None) -> None:
        if reason is not None:
            self.refuse_deferred(reason)
            return
        deferred, self._deferred = self._deferred, []
        for each in deferred:
            if each.is_wanted():
                self.dispatch(each.dispatch, each.is_wanted, each.done)

    def refuse_deferred(self, reason: str) -> None:
        """Answer those that wait for a channel: it will not come."""
        self._answer_deferred(Refused(Refusal.NOT_CONNECTED, reason))

    def _answer_deferred(self, refused: Refused) -> None:
        deferred, self._deferred = self._deferred, []
        for each in deferred:
            each.done(refused)

    def _send(self, dispatch: Dispatch) -> dict[str, Any] | None:
        """Send; return the answer, or None if the channel has to be opened first."""
        runtime = self._runtime
        runtime.check_incarnation(dispatch.incarnation)
        if dispatch.id is not None and runtime.facts.was_sent(dispatch.id):
            return {"already": True}
        sockets = runtime.sockets
        if sockets is None or not sockets.verify():
            raise Refused(Refusal.NOT_CONNECTED, f"{runtime.id} is not connected")
        if not sockets.is_open(dispatch.channel):
            return None
        meta: dict[str, Any] = {"c": dispatch.channel, "i": dispatch.incarnation}
        if dispatch.id is not None:
            meta["id"] = dispatch.id
        recorded: Sequence[bytes | memoryview] | None = dispatch.frames
        if dispatch.is_secret:
            meta["secret"] = True
            recorded = without_content(dispatch.frames)
        if recorded is None:
            raise Refused(Refusal.BAD_REQUEST, "a secret message must be a Jupyter message")
        if not runtime.record(Kind.SENT, meta, recorded, or_refuse=True):
            raise Refused(Refusal.JOURNAL_FAILED, "the journal cannot be written")
        passing(Step.SENT_JOURNALED)
        try:
            sockets.send(dispatch.channel, dispatch.frames)
        except zmq.ZMQError as error:
            fields: dict[str, Any] = {"id": dispatch.id, "channel": dispatch.channel}
            runtime.event(Event.UNSENT, reason=str(error), **fields)
            raise Refused(Refusal.AGAIN, str(error)) from error
        passing(Step.SENT_TO_KERNEL)
        return {"sent": True}
