"""What becomes of a call when the daemon goes away: when it is sent again, and when not.

The blocking client and asyncio's both decide by this.
"""

from __future__ import annotations

import select
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.call import Effect
from runtimed.api.error_tree import from_wire
from runtimed.api.errors import InvalidParams
from runtimed.client.connecting import CallFailed, HungUp, Nobody
from runtimed.client.ids import new_id

if TYPE_CHECKING:
    from runtimed.api.call import Call
    from runtimed.api.errors import ApiError

#: Failures that mean: this daemon is going away, ask the next one.
GONE = ("DaemonUnreachable", "ShuttingDown")
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
#: A connection that has stood for so long was one.
STANDING_S = 1.0


class ClientClosed(RuntimeError):
    """The client was closed: it makes no calls any more."""

    def __init__(self) -> None:
        super().__init__("the client is closed; connect() makes another")


class GivenUp(Exception):
    """Nobody waits for the daemon any more."""


class Patience:
    """How long a daemon that went away is waited for: ``patience_s`` since it was last heard.

    One that hangs up as soon as it has answered was not heard: what we ask may be what ends it.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._until_s: float | None = None
        self._answered_s: float | None = None
        self._pause_s = 0.0
        self._is_over = False

    def answered(self) -> None:
        """Note that it is there: a loss that does not follow at once begins anew."""
        self._answered_s = monotonic()

    def end(self) -> None:
        """Wait no more: whoever does, gets `GivenUp`. Any thread may call it."""
        self._is_over = True

    def check(self) -> None:
        """Raise `GivenUp` where that was said."""
        if self._is_over:
            raise GivenUp

    def heard(self) -> None:
        """Begin anew: it does what it should."""
        self._until_s = None
        self._pause_s = 0.0

    def pause_s(self, failure: CallFailed) -> float:
        """Return the seconds until the next attempt; the first one is made at once.

        Raises the failure as `ApiError` where asking again does not help, or long enough was.
        """
        if failure.name not in GONE:
            raise raised(failure)
        self.check()
        now_s = monotonic()
        if self._answered_s is not None and now_s - self._answered_s >= STANDING_S:
            self.heard()
        self._answered_s = None
        if self._until_s is None:
            self._until_s = now_s + self._patience_s
        if now_s >= self._until_s:
            raise raised(failure)
        pause_s = self._pause_s
        self._pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        return min(pause_s, self._until_s - now_s)


def goes_on(failure: CallFailed, *, starts: bool, was_connected: bool) -> bool:
    """Say whether a connection that was not made may come about.

    One that hangs up is on its way out. Where nobody listens, who may start a daemon has tried in
    vain already; who may not waits for another's, if there was one before.
    """
    if isinstance(failure, HungUp) or failure.name == "ShuttingDown":
        return True
    return isinstance(failure, Nobody) and was_connected and not starts


class Request:
    """A call that may have to be sent more than once.

    It may if it only reads, or submits code, which all calls with an ``id`` do: without one of
    its caller's it is given one here, and is the same execution however often it arrives.
    """

    def __init__(self, call: Call[Any]) -> None:
        is_submission = "id" in call.__struct_fields__
        if is_submission and getattr(call, "id", None) is None:
            call = msgspec.structs.replace(call, id=new_id())
        wait_s = getattr(call, "wait_s", None)
        if wait_s is not None:
            call = msgspec.structs.replace(call, **_waiting(wait_s))
        self._call = call
        self._is_repeatable = is_submission or call.effect is Effect.READ
        self._begun_s = monotonic()

    @property
    def method(self) -> str:
        return self._call.method

    def params(self) -> dict[str, Any]:
        """Return the parameters; of the time that it may wait, what is left."""
        params: dict[str, Any] = msgspec.to_builtins(self._call)
        if params.get("wait_s") is not None:
            params["wait_s"] = max(0.0, params["wait_s"] - (monotonic() - self._begun_s))
        return params

    def check_repeatable(self, failure: CallFailed) -> None:
        """Raise the failure if the call may have been done, and must not be done twice."""
        if not self._is_repeatable:
            raise raised(failure)


def _waiting(wait_s: float) -> dict[str, Any]:
    """Return ``wait_s`` as JSON can say it: for ever is null. Raises `InvalidParams`."""
    if not wait_s >= 0:  # so nan is none
        raise InvalidParams(detail=f"{wait_s} is no time to wait - at `$.wait_s`")
    return {"wait_s": None if wait_s == inf else wait_s}


def is_quiet(fd: int) -> bool:
    """Say whether nothing came unasked on an idle connection, such as its end."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return not poll.poll(0)


def raised(failure: CallFailed) -> ApiError:
    """Return the exception of `runtimed.api.errors` that a failure stands for."""
    return from_wire(failure.error)
