"""A real curl at the daemon's socket, or at a port."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from tests.harness.sse import EventReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.daemon import State
    from tests.harness.sse import ServerSentEvent


def curl(state: State, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask at the socket; what it prints is the head and the body."""
    return subprocess.run(
        [*_at(state), "-i", *arguments, f"http://runtimed{path}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _at(state: State) -> list[str]:
    return ["curl", "--silent", "--no-buffer", "--unix-socket", str(state.socket)]


class EventSource:
    """``curl -N``, and the events that it has printed so far."""

    def __init__(self, command: list[str], last_event_id: str | None = None) -> None:
        header = [] if last_event_id is None else ["-H", f"Last-Event-ID: {last_event_id}"]
        self.process = subprocess.Popen([*command, *header], stdout=subprocess.PIPE)
        self.reader = EventReader()
        self.events: list[ServerSentEvent] = []

    @classmethod
    def at_socket(cls, state: State, path: str, last_event_id: str | None = None) -> EventSource:
        return cls([*_at(state), f"http://runtimed{path}"], last_event_id)

    def __enter__(self) -> EventSource:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(event.data) for event in self.events]

    @property
    def text(self) -> str:
        """What was printed to stdout, as far as it was seen."""
        changes = (each["data"] for each in self.documents if each["type"] == "output")
        return "".join(change["text"] for change in changes if change["op"] == "stream")

    def until(self, is_enough: Callable[[EventSource], object]) -> EventSource:
        """Read until there is enough. Raises `AssertionError` where it ends before that."""
        pieces = self._pieces()
        while not is_enough(self):
            piece = next(pieces, b"")
            assert piece, f"it ended with {self.process.wait()} after {self.documents}"
            self.events += self.reader.feed(piece)
        return self

    def to_the_end(self) -> EventSource:
        """Read until curl ends; its exit status says whether the end was in order."""
        for piece in self._pieces():
            self.events += self.reader.feed(piece)
        self.process.wait()
        return self

    def _pieces(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        while piece := os.read(self.process.stdout.fileno(), 65_536):
            yield piece
