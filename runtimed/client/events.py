"""Events as an iterator that outlives lost connections. See `Client.events`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Self

import msgspec

from runtimed.api.events import Event, EventsSubscribe
from runtimed.api.types import Subscription
from runtimed.client.connecting import CallFailed, HungUp, unreachable
from runtimed.client.patience import GivenUp, Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from runtimed.client.blocking import Client
    from runtimed.client.lines import LineClient


class Place:
    """Where in the order of events a subscriber is."""

    def __init__(self, subscribe: EventsSubscribe) -> None:
        self._subscribe = subscribe
        self.cursor: str | None = subscribe.since
        self._subscription: str | None = None

    def params(self) -> dict[str, Any]:
        """Return the parameters of a subscription that goes on from here."""
        call = msgspec.structs.replace(self._subscribe, since=self.cursor)
        params: dict[str, Any] = msgspec.to_builtins(call)
        return params

    def subscribed(self, answer: Any) -> None:
        """Take the answer to these."""
        subscription = msgspec.convert(answer, Subscription)
        self._subscription = subscription.subscription
        if self.cursor is None:
            self.cursor = subscription.cursor

    def take(self, notification: dict[str, Any]) -> Event | None:
        """Return the event of a notification; None where it is none of ours, or not known."""
        params = notification.get("params")
        if notification.get("method") != "event" or not isinstance(params, dict):
            return None
        if params.get("subscription") != self._subscription:
            return None
        self.cursor = params["cursor"]
        try:
            return msgspec.convert(params, Event)
        except msgspec.ValidationError:
            return None  # of a type that a newer daemon has


class Events:
    """The events after a cursor, each once, in order, and then live. One thread iterates at a time.

    Lost connections are made again and go on after the last event; so does a subscription that
    ended because its reader was too slow. Iteration ends with `close`, which any thread may call.
    """

    def __init__(self, client: Client, subscribe: EventsSubscribe) -> None:
        self._client = client
        self._place = Place(subscribe)
        self._patience = Patience(client._patience_s)
        self._lines: LineClient | None = None
        self._notifications: Iterator[dict[str, Any]] = iter(())
        self._pid = os.getpid()
        self._is_closed = False
        self._is_waiting = False
        self._subscribe()

    @property
    def cursor(self) -> str | None:
        """The place after the last event: another subscription may begin there."""
        return self._place.cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._is_closed:
            if self._lines is None or self._pid != os.getpid():
                try:
                    self._subscribe()
                except GivenUp:
                    break
                continue
            try:
                self._is_waiting = True
                notification = next(self._notifications, None)
                self._is_waiting = False
                if notification is None:
                    raise unreachable(self._client._path, "it hung up", HungUp)
            except CallFailed as failure:
                self._lost(failure)
                continue
            except BaseException:
                self._drop()  # what was being read may be gone; the cursor is not
                raise
            if self._has_ended():
                break
            self._patience.heard()
            event = self._place.take(notification)
            if event is not None and event.type == "lagged":
                self._drop()
            elif event is not None:
                return event
        self._drop()
        raise StopIteration

    def _has_ended(self) -> bool:
        return self._is_closed  # another thread may have set it

    def close(self) -> None:
        """End the subscription, and whoever waits for its next event."""
        self._is_closed = True
        self._patience.end()
        lines, is_waiting = self._lines, self._is_waiting
        if lines is not None and self._pid == os.getpid():
            lines.hang_up()  # this ends the waiting of another thread, which closes it
        if not is_waiting:
            self._drop()

    def _subscribe(self) -> None:
        while True:
            self._drop()
            lines = self._client._opened(self._patience)
            try:
                self._place.subscribed(lines.call("events.subscribe", self._place.params()))
            except CallFailed as failure:
                lines.close()
                self._lost(failure)
            except BaseException:
                lines.close()
                raise
            else:
                self._lines, self._notifications = lines, lines.notifications()
                self._pid = os.getpid()
                self._patience.answered()
                return

    def _lost(self, failure: CallFailed) -> None:
        self._drop()
        if not self._is_closed:
            time.sleep(self._patience.pause_s(failure))

    def _drop(self) -> None:
        self._is_waiting = False
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
