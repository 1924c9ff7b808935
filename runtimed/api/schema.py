"""The contract as an OpenRPC document (https://spec.open-rpc.org).

``python -m runtimed.api.schema`` prints it; with ``--write DIRECTORY`` it writes it, and the
reference in Markdown, as they are committed under docs/reference.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed import __version__
from runtimed.api.error_tree import tree
from runtimed.api.errors import (
    ApiError,
    Denied,
    Internal,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    ParseError,
    RequestTooLarge,
    ShuttingDown,
)
from runtimed.api.events import Event
from runtimed.api.registry import REGISTRY

if TYPE_CHECKING:
    from runtimed.api.call import Call

_SCHEMA_REF = "#/components/schemas/{name}"
#: Errors that any call may meet.
COMMON_ERRORS: tuple[type[ApiError], ...] = (InvalidParams, ShuttingDown, Internal)
#: Errors that answer what is no call at all, or a caller that is not let in.
CONNECTION_ERRORS: tuple[type[ApiError], ...] = (
    ParseError,
    InvalidRequest,
    MethodNotFound,
    RequestTooLarge,
    Denied,
)


def openrpc() -> dict[str, Any]:
    """Return the document; it is the same for every daemon of this version."""
    calls = [REGISTRY[method] for method in sorted(REGISTRY)]
    types = [*calls, *(call.result for call in calls), Event]
    refs, components = msgspec.json.schema_components(types, ref_template=_SCHEMA_REF)
    results = refs[len(calls) : -1]
    methods = [
        _method(call, components.pop(call.__name__), result)
        for call, result in zip(calls, results, strict=True)
    ]
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "runtimed",
            "version": __version__,
            "description": "The per-user service that keeps a person's REPLs alive. JSON-RPC 2.0 "
            "over a Unix socket, one message a line.",
            "license": {"name": "BSD-3-Clause"},
        },
        "methods": methods,
        "components": {
            "schemas": dict(sorted(components.items())),
            "errors": {cls.__name__: _error(cls) for cls in sorted(tree(), key=_name)},
        },
        # OpenRPC has no word for what a server sends unasked.
        "x-notifications": [
            {
                "name": "event",
                "summary": "One event of a subscription.",
                "params": {"$ref": _SCHEMA_REF.format(name="Event")},
            }
        ],
        "x-connection-errors": [_error_ref(cls) for cls in CONNECTION_ERRORS],
    }


def errors_of(call: type[Call[Any]]) -> list[type[ApiError]]:
    """Return what the call may raise, its own errors first, each once."""
    declared = [error for error in call.errors if issubclass(error, ApiError)]
    return list(dict.fromkeys((*declared, *COMMON_ERRORS)))


def _method(
    call: type[Call[Any]], component: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    summary, _, details = _words(call).partition("\n\n")
    required = set(component.get("required", ()))
    method: dict[str, Any] = {
        "name": call.method,
        "summary": " ".join(summary.split()),
        "paramStructure": "by-name",
        "params": [
            _param(name, schema, is_required=name in required)
            for name, schema in component["properties"].items()
        ],
        "result": {"name": _result_name(call), "schema": result},
        "errors": [_error_ref(error) for error in errors_of(call)],
        "x-effect": call.effect.value,
    }
    if details:
        method["description"] = details
    if call.rest:
        method["x-rest"] = list(call.rest)
    return method


def _param(name: str, schema: dict[str, Any], *, is_required: bool) -> dict[str, Any]:
    param: dict[str, Any] = {"name": name, "required": is_required, "schema": schema}
    if description := schema.get("description"):
        param["description"] = description
    return param


def _result_name(call: type[Call[Any]]) -> str:
    noun = getattr(call.result, "__name__", "result")
    return noun if noun not in ("list", "dict") else "result"


def _error_ref(error: type[ApiError]) -> dict[str, str]:
    return {"$ref": f"#/components/errors/{error.__name__}"}


def _error(error: type[ApiError]) -> dict[str, Any]:
    """Return the error object; braces in its message stand for members of its data."""
    return {
        "code": error.code,
        "message": error.template(),
        "data": {
            "name": error.__name__,
            "exit_code": error.exit_code,
            "http_status": error.http_status,
            "retryable": error.retryable,
            "members": sorted(error.fields()),
        },
    }


def _name(cls: type) -> str:
    return cls.__name__


def _words(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "")


def dumps() -> str:
    """Return the document as it is committed."""
    return json.dumps(openrpc(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Print the document, or write the whole reference."""
    from runtimed.api import openapi
    from runtimed.api.reference import pages

    match arguments:
        case []:
            sys.stdout.write(dumps())
        case ["--write", directory]:
            Path(directory).mkdir(parents=True, exist_ok=True)
            documents = {"openrpc.json": dumps(), "openapi.json": openapi.dumps()}
            for name, text in {**documents, **pages(openrpc())}.items():
                (Path(directory) / name).write_text(text, encoding="utf-8")
        case _:
            sys.stderr.write("usage: python -m runtimed.api.schema [--write DIRECTORY]\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
