"""Where each call is in HTTP: what the words in ``rest=`` mean, read once for server and OpenAPI.

::

    rest=("POST /v0/runtimes/{runtime}/executions?wait_s -> /v0/executions/{id}",)
          verb path, {field of the call}        ?fields   -> Location, {field of the result}

- What stands in braces in the path is a field of the call's. It is one segment of the path: a
  slash inside a value is sent as ``%2F``.
- ``GET`` and ``DELETE`` take the other fields from the query: lists by repetition, fields of a
  nested document as ``cell.id=…``, null as ``null`` (or empty, where no text is wanted), true also
  as the bare name. A mapping (``env``) does not fit into a query. ``HEAD`` is as ``GET``.
- ``POST``, ``PUT`` and ``PATCH`` take the other fields from a JSON object in the body; no body is
  an empty object. Names after ``?`` come from the query, and choose between calls of the same verb
  and path: that one is meant whose names the query has, the most first.
- ``-> /path`` is for what makes a document: it is answered 201, with that ``Location``. Anything
  else is 200 with the call's result, which is what JSON-RPC has as ``result``; `Nothing` is 204.
- A result with ``etag`` is answered with an ``ETag``; a call with ``if_match`` takes it from
  ``If-Match``. A list from a call with ``before`` and ``limit``, and a page with ``cursor`` and
  ``more``, have a ``Link`` to the next one.
- A result that is no document but bytes or a stream (``blob.get``, ``events.subscribe``) has a
  presenter of its own in ``server/http``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.api.call import Call

_PLACE = re.compile(
    r"(?P<verb>[A-Z]+) (?P<path>/[^ ?]*)(\?(?P<names>\S+))?( -> (?P<location>/\S+))?"
)
_FIELD = re.compile(r"\{(\w+)\}")
#: Verbs whose fields come from the query.
WITHOUT_BODY = frozenset(("GET", "DELETE"))


@dataclass(frozen=True)
class Place:
    """One place of one call."""

    call: type[Call[Any]]
    verb: str
    path: str
    #: Names that the query must have for this place to be meant; their values come from there.
    names: tuple[str, ...]
    location: str | None

    @cached_property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")[1:])

    @cached_property
    def path_fields(self) -> tuple[str, ...]:
        return tuple(_FIELD.findall(self.path))

    @cached_property
    def query_fields(self) -> tuple[msgspec.structs.FieldInfo, ...]:
        """The fields that come from the query, in the call's order."""
        return tuple(
            field
            for field in msgspec.structs.fields(self.call)
            if field.name not in self.path_fields and self._is_in_query(field)
        )

    @cached_property
    def body_fields(self) -> tuple[msgspec.structs.FieldInfo, ...]:
        """The fields that come from the body. Without any, no body is taken."""
        if self.verb in WITHOUT_BODY:
            return ()
        elsewhere = {*self.path_fields, *self.names, "if_match"}
        fields = msgspec.structs.fields(self.call)
        return tuple(field for field in fields if field.name not in elsewhere)

    def _is_in_query(self, field: msgspec.structs.FieldInfo) -> bool:
        if field.name == "if_match":
            return False
        if self.verb in WITHOUT_BODY:
            return not isinstance(shape_of(field.type), msgspec.inspect.DictType)
        return field.name in self.names


def place(call: type[Call[Any]], words: str) -> Place:
    """Return the place that the words mean. Raises `ValueError` where they mean none."""
    match = _PLACE.fullmatch(words)
    if match is None:
        raise ValueError(f"{call.method}: {words!r} is no place in HTTP")
    names = tuple((match["names"] or "").split("&")) if match["names"] else ()
    found = Place(call, match["verb"], match["path"], names, match["location"])
    fields = {field.name for field in msgspec.structs.fields(call)}
    if unknown := {*found.path_fields, *names} - fields:
        raise ValueError(f"{call.method}: {words!r} names what it does not take: {unknown}")
    return found


def places(calls: Iterable[type[Call[Any]]]) -> list[Place]:
    """Return all places of the calls; those of one verb and path with the most names first.

    Raises `ValueError` where two calls are in the same place.
    """
    found = [place(call, words) for call in calls for words in call.rest]
    found.sort(key=lambda each: (each.path, each.verb, -len(each.names)))
    seen: dict[tuple[str, str, tuple[str, ...]], Place] = {}
    for each in found:
        key = (each.verb, _FIELD.sub("{}", each.path), each.names)
        if key in seen:
            raise ValueError(f"{each.call.method} and {seen[key].call.method} are both at {key}")
        seen[key] = each
    return found


def shape_of(type_: Any) -> msgspec.inspect.Type:
    """Return what a field's values are, null and descriptions aside."""
    return bare(msgspec.inspect.type_info(type_))


def bare(found: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Return the type without its description; of a type or null, the type."""
    while True:
        if isinstance(found, msgspec.inspect.Metadata):
            found = found.type
        elif isinstance(found, msgspec.inspect.UnionType) and len(found.types) == 2:
            first, second = found.types
            if isinstance(second, msgspec.inspect.NoneType):
                found = first
            elif isinstance(first, msgspec.inspect.NoneType):
                found = second
            else:
                return found
        else:
            return found
