"""The contract as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0).

Made of the registry, as `schema` makes OpenRPC; ``places`` says how a call becomes a request.
"""

from __future__ import annotations

import http
import inspect
import json
from itertools import groupby
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from runtimed import __version__
from runtimed.api.environments import Environment
from runtimed.api.events import Event, EventsSubscribe
from runtimed.api.executions import BlobGet
from runtimed.api.history import Found
from runtimed.api.notebooks import CodeCell, Notebook
from runtimed.api.places import Place, places, shape_of
from runtimed.api.registry import REGISTRY
from runtimed.api.rendering import Rendered, TextOptions
from runtimed.api.schema import errors_of
from runtimed.api.types import (
    Execution,
    LogPage,
    Nothing,
    OutputPage,
    Runtime,
    Variables,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.api.call import Call
    from runtimed.api.errors import ApiError

_SCHEMA_REF = "#/components/schemas/{name}"
_PROBLEM_REF = "#/components/responses/Problem"
_PROBLEM = {
    "description": "A problem document.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_UNCHANGED = {"description": "It is what If-None-Match has named."}
#: Results that are to be had as text that fits, too: `TextOptions` are in the query then.
RENDERED = (Execution, CodeCell, Notebook, list[CodeCell])
#: Results that are to be had as text, too.
TEXTS = (
    *RENDERED,
    Rendered,
    OutputPage,
    LogPage,
    Variables,
    list[Runtime],
    list[Execution],
    list[Environment],
    list[Found],
)


class Problem(msgspec.Struct, kw_only=True):
    """What went wrong (RFC 9457). ``name`` is the error's in the reference of errors."""

    type: str
    title: str
    status: int
    detail: str
    name: str
    exit_code: int
    retryable: bool
    data: dict[str, Any]


def openapi() -> dict[str, Any]:
    """Return the document; it is the same for every daemon of this version."""
    found = places(REGISTRY.values())
    calls = list(dict.fromkeys(place.call for place in found))
    types = [*calls, *(call.result for call in calls), Event, Problem]
    refs, components = msgspec.json.schema_components(types, ref_template=_SCHEMA_REF)
    results = dict(zip(calls, refs[len(calls) : -2], strict=True))
    parameters = {call: components.pop(call.__name__) for call in calls}
    paths: dict[str, Any] = {}
    for (path, verb), group in groupby(found, key=lambda place: (place.path, place.verb)):
        variants = list(group)
        operation = _operation(variants, parameters, results)
        paths.setdefault(path, {})[verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "runtimed",
            "version": __version__,
            "summary": "The per-user service that keeps a person's REPLs alive.",
            "description": "HTTP/1.1 over a Unix socket: "
            '`curl --unix-socket "$(runt socket)" http://runtimed/v0/runtimes`',
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "http://runtimed", "description": "At the Unix socket."}],
        "paths": paths | _others(),
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {"Problem": _PROBLEM},
        },
    }


def _operation(
    variants: Sequence[Place],
    parameters: dict[type[Any], dict[str, Any]],
    results: dict[type[Any], Any],
) -> dict[str, Any]:
    """Return the one operation that calls of the same verb and path are: all that any takes."""
    place = variants[-1]
    call = place.call
    summary, _, details = inspect.cleandoc(call.__doc__ or "").partition("\n\n")
    schema = parameters[call]
    operation: dict[str, Any] = {
        "operationId": _operation_id(place),
        "summary": " ".join(summary.split()),
        "tags": [call.method.partition(".")[0]],
        "parameters": [_path_parameter(name, schema) for name in place.path_fields],
        "responses": _responses(variants, results[call]),
        "x-methods": [each.call.method for each in reversed(variants)],
        "x-effect": call.effect.value,
    }
    if details:
        operation["description"] = details
    for each in reversed(variants):
        known = {parameter["name"] for parameter in operation["parameters"]}
        found = _query_parameters(each, parameters[each.call])
        operation["parameters"] += [one for one in found if one["name"] not in known]
    if call.result in RENDERED:
        operation["parameters"] += _text_parameters()
    if "if_match" in schema["properties"]:
        operation["parameters"].append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The entity tag that the change is for.",
                "schema": {"type": "string"},
            }
        )
    if call is EventsSubscribe:
        operation["parameters"].append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The cursor to resume after; it goes before `since`.",
                "schema": {"type": "string"},
            }
        )
    if place.body_fields:
        operation["requestBody"] = _body(place, schema)
    return operation


def _operation_id(place: Place) -> str:
    """Return the method's name; the further places of a call say what they are of."""
    first = place.call.rest[0].partition("?")[0].partition(" -> ")[0]
    if first == f"{place.verb} {place.path}":
        return place.call.method
    return ".".join((place.call.method, *place.path_fields))


def _path_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return _parameter(name, schema["properties"][name], "path", is_required=True)


def _query_parameters(place: Place, schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = set(schema.get("required", ()))
    found = []
    for field in place.query_fields:
        shape = shape_of(field.type)
        if isinstance(shape, msgspec.inspect.StructType):
            inner = msgspec.json.schema(shape.cls)["$defs"][shape.cls.__name__]
            found += [
                _parameter(f"{field.name}.{name}", one, "query", is_required=False)
                for name, one in inner["properties"].items()
            ]
        else:
            one = schema["properties"][field.name]
            is_required = field.name in required and field.name not in place.names
            found.append(_parameter(field.name, one, "query", is_required=is_required))
    return found


def _text_parameters() -> list[dict[str, Any]]:
    properties = msgspec.json.schema(TextOptions)["$defs"][TextOptions.__name__]["properties"]
    return [_parameter(name, one, "query", is_required=False) for name, one in properties.items()]


def _parameter(
    name: str, schema: dict[str, Any], where: str, *, is_required: bool
) -> dict[str, Any]:
    """Return a parameter; null is left to what is not there."""
    schema = dict(schema)
    description = schema.pop("description", None)
    schema.pop("default", None)
    if "anyOf" in schema:
        (schema,) = [each for each in schema["anyOf"] if each.get("type") != "null"]
        schema = dict(schema)
        description = schema.pop("description", description)
    found: dict[str, Any] = {"name": name, "in": where, "required": is_required, "schema": schema}
    if where == "path":
        schema.setdefault("minLength", 1)
    if description:
        found["description"] = description
    return found


def _body(place: Place, schema: dict[str, Any]) -> dict[str, Any]:
    names = [field.encode_name for field in place.body_fields]
    required = [name for name in schema.get("required", ()) if name in names]
    body: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema["properties"][name] for name in names},
        "additionalProperties": False,
    }
    if required:
        body["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": body}}}


def _responses(variants: Sequence[Place], result: dict[str, Any]) -> dict[str, Any]:
    place = variants[-1]
    found = _good(place, result)
    statuses: dict[int, list[str]] = {}
    for error in dict.fromkeys(error for each in variants for error in errors_of(each.call)):
        statuses.setdefault(_status(error), []).append(error.__name__)
    for status, names in sorted(statuses.items()):
        found[str(status)] = {"$ref": _PROBLEM_REF, "description": " · ".join(names)}
    found["default"] = {"$ref": _PROBLEM_REF, "description": "It is refused as HTTP."}
    return found


def _status(error: type[ApiError]) -> int:
    return error.http_status


def _good(place: Place, result: dict[str, Any]) -> dict[str, Any]:
    if place.call is BlobGet:
        return _blob()
    if place.call is EventsSubscribe:
        # The schema is that of each event's ``data``: OpenAPI 3.1 has no word for a stream.
        stream = {"text/event-stream": {"schema": {"$ref": _SCHEMA_REF.format(name="Event")}}}
        return {
            "200": {"description": "Events: this is each one's data.", "content": stream},
            "204": {"description": "There is nothing more to come."},
        }
    if place.call.result is Nothing:
        return {"204": {"description": "Done; there is nothing to say."}}
    content: dict[str, Any] = {"application/json": {"schema": result}}
    if place.call.result in TEXTS:
        content |= {
            kind: {"schema": {"type": "string"}} for kind in ("text/plain", "text/markdown")
        }
    status = 200 if place.location is None else 201
    answer: dict[str, Any] = {"description": http.HTTPStatus(status).phrase, "content": content}
    headers = _answer_headers(place)
    if headers:
        answer["headers"] = headers
    return {str(status): answer} | ({"304": _UNCHANGED} if place.verb == "GET" else {})


def _answer_headers(place: Place) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if place.location is not None:
        headers |= _headers(Location="Where the document is.")
    if place.verb == "GET":
        headers |= _headers(ETag="Of this representation.")
    elif "etag" in getattr(place.call.result, "__struct_fields__", ()):
        headers |= _headers(ETag="Of the document, for If-Match.")
    if place.verb == "GET" and has_pages(place.call):
        words = 'The next page (`rel="next"`), where there may be one.'
        headers["Link"] = {"description": words, "schema": {"type": "string"}}
    if place.call.result is Execution:
        words = "Of an execution as text: its status, as far as it has come."
        headers["Runt-Status"] = {"description": words, "schema": {"type": "string"}}
    return headers


def has_pages(call: type[Call[Any]]) -> bool:
    """Say whether the result is a page, which may have a next one."""
    result, taken = call.result, call.__struct_fields__
    if get_origin(result) is list:
        # A ranked list's members have no id of their own: nothing comes after the last of them.
        return "before" in taken and "id" in get_args(result)[0].__struct_fields__
    return "cursor" in taken and "more" in getattr(result, "__struct_fields__", ())


def _blob() -> dict[str, Any]:
    kinds = ("application/octet-stream", "application/pdf", "image/*")
    content: dict[str, Any] = {kind: {"schema": {}} for kind in kinds}
    headers = _headers(ETag="The SHA-256.")
    return {
        "200": {"description": "The bytes.", "content": content, "headers": headers},
        "206": {"description": "The range that was asked for.", "content": content},
        "304": _UNCHANGED,
        "416": {"$ref": _PROBLEM_REF, "description": "It is shorter than that."},
    }


def _headers(**about: str) -> dict[str, Any]:
    return {
        name: {"description": words, "required": True, "schema": {"type": "string"}}
        for name, words in about.items()
    }


def _others() -> dict[str, Any]:
    """Return what is there besides the calls' places."""
    anything: dict[str, Any] = {"application/json": {"schema": {}}}
    refused = {"default": {"$ref": _PROBLEM_REF, "description": "It is refused as HTTP."}}
    return {
        "/rpc": {
            "post": {
                "operationId": "rpc",
                "summary": "JSON-RPC 2.0: one message, or a batch.",
                "tags": ["rpc"],
                "requestBody": {"required": True, "content": anything},
                "responses": {
                    "200": {"description": "The answer, or answers.", "content": anything},
                    "204": {"description": "There were notifications only."},
                    **refused,
                },
            }
        },
        "/v0/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "Return this document.",
                "tags": ["rpc"],
                "responses": {
                    "200": {
                        "description": "OK",
                        "content": anything,
                        "headers": _headers(ETag="Of this representation."),
                    },
                    "304": _UNCHANGED,
                    **refused,
                },
            }
        },
    }


def dumps() -> str:
    """Return the document as it is committed."""
    return json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"
