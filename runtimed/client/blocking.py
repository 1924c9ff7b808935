"""The blocking client: typed calls to the daemon, and events as an iterator.

::

    from runtimed.api.executions import ExecutionEval
    from runtimed.client.blocking import connect

    with connect() as client:
        execution = client.call(ExecutionEval(code="1 + 1", project="/home/me/work"))
        print(execution.status, execution.outputs)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from runtimed.api.error_tree import from_wire
from runtimed.api.events import Event, EventsSubscribe
from runtimed.api.types import Hello
from runtimed.client import lines
from runtimed.client.connect import CallFailed, dial
from runtimed.client.start import ensure_daemon
from runtimed.paths import socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from runtimed.api.call import Call

__all__ = ["Client", "connect"]

R = TypeVar("R")


def connect(path: str | None = None, *, start: bool = True, client: str = "python") -> Client:
    """Connect to the daemon, starting it if there is none and ``start`` is true.

    ``client`` names the kind of client in records. Raises `DaemonUnreachable`,
    `NotRuntimed` or `Denied`.
    """
    path = path or socket_path()
    try:
        sock = ensure_daemon(path) if start else dial(path)
        line_client = lines.LineClient(sock, path)
        return Client(line_client, msgspec.convert(line_client.hello(client), Hello))
    except CallFailed as failure:
        raise from_wire(failure.error) from None


class Client:
    """One connection to the daemon. One thread, and one call, at a time.

    While `subscribe` is iterated over, calls may be made between two events.
    """

    def __init__(self, line_client: lines.LineClient, hello: Hello) -> None:
        self._lines = line_client
        #: What the daemon said of itself.
        self.hello = hello

    def call(self, call: Call[R]) -> R:
        """Make a call and wait for its result. Raises the call's errors, see `ApiError`."""
        try:
            answer = self._lines.call(call.method, msgspec.to_builtins(call))
        except CallFailed as failure:
            raise from_wire(failure.error) from None
        result: R = msgspec.convert(answer, type(call).result)
        return result

    def subscribe(self, subscribe: EventsSubscribe) -> Iterator[Event]:
        """Subscribe now; return an iterator over the events, ended by ``lagged`` or the daemon."""
        subscription = self.call(subscribe).subscription
        return self._events(subscription)

    def _events(self, subscription: str) -> Iterator[Event]:
        for notification in self._lines.notifications():
            params = notification.get("params")
            if notification["method"] != "event" or not isinstance(params, dict):
                continue
            if params.get("subscription") != subscription:
                continue
            event = _decode_event(params)
            if event is not None:
                yield event
                if event.type == "lagged":
                    return

    def close(self) -> None:
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _decode_event(params: dict[str, Any]) -> Event | None:
    """Return an event, None for a type that a newer daemon has and we do not know."""
    try:
        return msgspec.convert(params, Event)
    except msgspec.ValidationError:
        return None
