"""A reader of server-sent events, written after the standard and not after our encoder.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServerSentEvent:
    type: str
    data: str
    id: str


@dataclass
class EventReader:
    last_event_id: str = ""
    retry_ms: int | None = None
    comments: int = 0
    _text: bytes = b""
    _type: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that are complete with this chunk."""
        self._text += chunk
        found = []
        # A CR at the end may be half of a CRLF: it waits for what follows.
        while end := re.search(rb"\r\n|\n|\r(?!\Z)", self._text):
            line, self._text = self._text[: end.start()], self._text[end.end() :]
            if (event := self._take(line.decode())) is not None:
                found.append(event)
        return found

    def _take(self, line: str) -> ServerSentEvent | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            return self._dispatch()
        if not name:
            self.comments += 1
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = None
        if self._data:
            data = "\n".join(self._data)
            event = ServerSentEvent(self._type or "message", data, self.last_event_id)
        self._type, self._data = "", []
        return event
