"""All classes of errors, and which of them a JSON-RPC error object is."""

from __future__ import annotations

from typing import Any

from runtimed.api.errors import ApiError, Internal


def tree(root: type[ApiError] = ApiError) -> list[type[ApiError]]:
    """Return the class and all below it, in the order they were written."""
    found = [root]
    for child in root.__subclasses__():
        found += tree(child)
    return found


def from_wire(error: dict[str, Any]) -> ApiError:
    """Return the exception for a JSON-RPC error object; unknown names become `Internal`."""
    data = dict(error.get("data") or {})
    name = data.pop("name", None)
    data.pop("exit_code", None)
    data.pop("retryable", None)
    for cls in tree():
        if cls.__name__ == name and data.keys() == cls.fields().keys():
            return cls(**data)
    return Internal(incident=str(error.get("message", "unknown")))
