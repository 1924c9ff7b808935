"""Events of one subscription, across lost connections: everything after a cursor, once.

One connection carries the subscription and the requests that belong to it. When it breaks, the
daemon is dialled again (and started, if it went away), the subscription goes on after the last
event seen, and requests without an answer are sent again: those used here are the same when they
arrive twice (an execution brings its id).
"""

from __future__ import annotations

from runt.session import ATTEMPTS, GONE
from runtimed.client.connecting import CallFailed, unreachable
from runtimed.paths import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import Any

    from runtimed.client.lines import LineClient

    Then = Callable[[Any, CallFailed | None], None]
    Request = tuple[str, dict[str, Any], Then]


class Feed:
    """A subscription with its connection."""

    def __init__(
        self,
        connect: Callable[[], LineClient],
        filters: dict[str, Any],
        *,
        since: str | None = None,
        again_from: str | None = None,
        once: Container[str] = (),
    ) -> None:
        """``again_from``: the cursor to resume from where no cursor was seen before a loss.

        ``once``: methods that are not sent again; who asked is told that the connection was lost.
        """
        self._connect = connect
        self._filters = filters
        self._since = since
        self._again_from = since or again_from
        self._once = once
        self._unanswered: dict[int, tuple[str, dict[str, Any], Then]] = {}
        self._client: LineClient | None = None
        self._attempts = 0

    @property
    def cursor(self) -> str | None:
        """Where to resume."""
        return self._since

    def open(self, *requests: Request) -> None:
        """Connect, and send the subscription with these requests in one write."""
        self._client = self._connect()
        self._send([self._subscription(), *requests])

    def request(self, method: str, params: dict[str, Any], then: Then) -> None:
        """Send a request; ``then(result, failure)`` is called by `receive` with its answer."""
        self._send([(method, params, then)])

    def fileno(self) -> int:
        """Return the file descriptor to wait on before `receive`."""
        return self._open_client.fileno()

    def receive(self) -> list[dict[str, Any]]:
        """Wait for bytes, hand answers to their requests, and return the events among them.

        Raises `CallFailed` when the subscription is refused, or there is no daemon any more.
        """
        try:
            messages = self._open_client.receive()
        except CallFailed as failure:
            if failure.name not in GONE:
                raise
            messages = None
        if messages is None:
            self._resume()
            return []
        self._attempts = 0
        events = []
        for message in messages:
            if message.get("method") == "event":
                events.append(message["params"])
            elif message.get("id") in self._unanswered:
                self._answer(message)
        return self._in_order(events)

    def fail(self, failure: CallFailed) -> None:
        """Tell all who wait for an answer that none will come."""
        unanswered, self._unanswered = self._unanswered, {}
        for method, _, then in unanswered.values():
            if method != "events.subscribe":
                then(None, failure)

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def _open_client(self) -> LineClient:
        if self._client is None:
            raise RuntimeError("the feed is not open")
        return self._client

    def _send(self, requests: list[Request]) -> None:
        ids = self._open_client.send_many([(method, params) for method, params, _ in requests])
        self._unanswered.update(zip(ids, requests, strict=True))

    def _subscription(self) -> Request:
        params = dict(self._filters)
        if self._since is not None:
            params["since"] = self._since
        return "events.subscribe", params, self._subscribed

    def _subscribed(self, result: Any, failure: CallFailed | None) -> None:
        if failure is not None:
            raise failure
        if self._since is None:
            self._since = result["cursor"]

    def _answer(self, message: dict[str, Any]) -> None:
        error = message.get("error")
        failure = CallFailed(error) if error else None
        if failure is not None and failure.name in GONE:
            return  # It is asked again on the next connection; this one is about to end.
        _, _, then = self._unanswered.pop(message["id"])
        then(message.get("result"), failure)

    def _in_order(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Note the place of the last event; a reader that was too slow begins again there."""
        for event in events:
            self._since = event["cursor"]
        if events and events[-1]["type"] == "lagged":
            events.pop()
            self._send([self._subscription()])
        return events

    def _resume(self) -> None:
        """Connect anew and go on where the lost connection ended."""
        self.close()
        self._attempts += 1
        if self._attempts > ATTEMPTS:
            detail = "it hangs up again and again; its log tells more"
            raise unreachable(socket_path(), detail)
        if self._since is None:
            self._since = self._again_from
        self._client = self._connect()  # where it cannot, the requests wait for `fail`
        unanswered, self._unanswered = self._unanswered, {}
        requests = [r for r in unanswered.values() if r[0] != "events.subscribe"]
        self._send([self._subscription(), *(r for r in requests if r[0] not in self._once)])
        for method, _, then in requests:
            if method in self._once:
                then(None, unreachable(socket_path(), f"it went away before {method} was answered"))
