"""From a verb and a path to the place that is meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from runtimed.api.places import places
from runtimed.server.http.messages import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from runtimed.api.call import Call
    from runtimed.api.places import Place


@dataclass(slots=True)
class _Node:
    """What may come next in a path, and what is there if nothing does."""

    words: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    places: dict[str, list[Place]] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Found:
    """A place, and the segments of the path that stand for its fields."""

    place: Place
    path_values: dict[str, str]


class Routes:
    """All places of the API. A word goes before a field: ``/v0/runtimes/prune`` is no runtime."""

    def __init__(self, calls: Iterable[type[Call[Any]]]) -> None:
        self._root = _Node()
        for place in places(calls):
            node = self._root
            for segment in place.segments:
                if segment.startswith("{"):
                    node.any = node.any or _Node()
                    node = node.any
                else:
                    node = node.words.setdefault(segment, _Node())
            node.places.setdefault(place.verb, []).append(place)

    def verbs(self, path: str) -> list[str]:
        """Return what the path may be asked with; nothing if it leads nowhere."""
        found = {verb for node in self._at(path) for verb in node.places}
        if not found:
            return []
        return sorted(found | ({"HEAD"} if "GET" in found else set()) | {"OPTIONS"})

    def find(self, verb: str, path: str, names: Sequence[str]) -> Found:
        """Return the place that is meant by a request with these names in its query.

        Raises `HttpError`: 404, or 405 with what is allowed.
        """
        as_listed = "GET" if verb == "HEAD" else verb
        for node in self._at(path):
            for place in node.places.get(as_listed, ()):
                if all(name in names for name in place.names):
                    return Found(place, _values(place, path))
        if allowed := self.verbs(path):
            raise HttpError(405, f"{verb} is not for this path", ("Allow", ", ".join(allowed)))
        raise HttpError(404, f"nothing is at {path[:200]}; /v0/openapi.json says what is where")

    def _at(self, path: str) -> list[_Node]:
        """Return the ends that the path leads to, words before fields."""
        nodes = [self._root]
        for segment in _segments(path):
            further = []
            for node in nodes:
                if (word := node.words.get(segment)) is not None:
                    further.append(word)
                if node.any is not None and segment:
                    further.append(node.any)
            nodes = further
        return [node for node in nodes if node.places]


def _segments(path: str) -> list[str]:
    return path.split("/")[1:]


def _values(place: Place, path: str) -> dict[str, str]:
    pairs = zip(place.segments, _segments(path), strict=True)
    values = {field[1:-1]: unquote(value) for field, value in pairs if field.startswith("{")}
    return values
