"""From path, query and body to the call; what does not fit is refused by its name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from runtimed.api.errors import InvalidParams
from runtimed.api.places import bare, shape_of

if TYPE_CHECKING:
    from runtimed.api.call import Call
    from runtimed.api.places import Place
    from runtimed.server.http.routes import Found

#: Characters of a message that may be the sender's own words.
_DETAIL_CHARS = 500
#: Fields of a query; further ones are an error, before they cost anything.
_MAX_FIELDS = 1_000
_objects = msgspec.json.Decoder(dict[str, Any])


def parse_query(query: str) -> list[tuple[str, str]]:
    """Return names and values. Raises `InvalidParams`."""
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidParams(detail=f"the query cannot be read: {error}") from None


def call_of(
    found: Found, query: list[tuple[str, str]], body: bytes, if_match: str | None
) -> Call[Any]:
    """Return the call that is asked for. Raises `InvalidParams`."""
    place = found.place
    values = _from_url(place, _nested(place, query) | found.path_values)
    if place.body_fields and body:
        values = _from_body(body, values)
        if if_match is None and "if_match" in values:
            raise InvalidParams(detail="if_match is a header here: If-Match")
    elif body:
        raise InvalidParams(detail="no body is taken here; the query has the parameters")
    if if_match is not None:
        values["if_match"] = if_match
    try:
        call: Call[Any] = msgspec.convert(values, place.call)
    except msgspec.ValidationError as error:
        raise InvalidParams(detail=str(error)[:_DETAIL_CHARS]) from None
    return call


def _from_url(place: Place, texts: dict[str, Any]) -> dict[str, Any]:
    try:
        found = msgspec.convert(texts, _url_type(place), strict=False)
    except msgspec.ValidationError as error:
        raise InvalidParams(detail=str(error)[:_DETAIL_CHARS]) from None
    builtins: dict[str, Any] = msgspec.to_builtins(found)
    return {name: value for name, value in builtins.items() if name in texts}


def _from_body(body: bytes, values: dict[str, Any]) -> dict[str, Any]:
    try:
        found = _objects.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidParams(detail=f"the body must be a JSON object: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidParams(detail=f"the body is not JSON: {error}") from None
    except RecursionError:
        raise InvalidParams(detail="the body is nested too deeply") from None
    if twice := sorted(found.keys() & values.keys()):
        raise InvalidParams(detail=f"{', '.join(twice)} is in the address and in the body")
    return found | values


@cache
def _url_type(place: Place) -> type[msgspec.Struct]:
    """Return a type for what comes from the address: all of it is text there."""
    fields = {field.name: field for field in msgspec.structs.fields(place.call)}
    members: list[Any] = [(name, fields[name].type) for name in place.path_fields]
    members += [
        (field.name, field.type)
        if field.required
        else (field.name, field.type, msgspec.field(default_factory=field.default_factory))
        if field.default_factory is not msgspec.NODEFAULT
        else (field.name, field.type, field.default)
        for field in place.query_fields
    ]
    return msgspec.defstruct("Address", members, kw_only=True, forbid_unknown_fields=True)


def _nested(place: Place, query: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the query's values by name: lists gathered, ``cell.id`` inside ``cell``."""
    shapes = {field.name: field.type for field in place.query_fields}
    found: dict[str, Any] = {}
    for name, value in query:
        outer, _, inner = name.partition(".")
        if outer not in shapes:
            raise InvalidParams(detail=f"{name[:_DETAIL_CHARS]} is no parameter of this request")
        shape = shape_of(shapes[outer])
        if inner and isinstance(shape, inspect.StructType):
            members = {each.encode_name: bare(each.type) for each in shape.fields}
            known = members.get(inner)
            _put(found.setdefault(outer, {}), inner, known, value)
        elif inner:
            raise InvalidParams(detail=f"{name[:_DETAIL_CHARS]} is no parameter of this request")
        else:
            _put(found, name, shape, value)
    return found


def _put(into: dict[str, Any], name: str, shape: inspect.Type | None, value: str) -> None:
    if isinstance(shape, inspect.ListType):
        into.setdefault(name, []).append(value)
    elif name in into:
        raise InvalidParams(detail=f"{name} is there twice")
    elif value or isinstance(shape, inspect.StrType):
        into[name] = value
    else:
        into[name] = "true" if isinstance(shape, inspect.BoolType) else "null"
