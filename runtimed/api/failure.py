"""The root of the tree of failures that a caller can meet; the tree itself is in ``errors``."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, get_type_hints


class ApiError(Exception):
    """Something went wrong."""

    code: ClassVar[int] = -32000
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 70
    retryable: ClassVar[bool] = False

    def __init__(self, **data: Any) -> None:
        fields = self.fields()
        if data.keys() != fields.keys():
            raise TypeError(f"{type(self).__name__} takes {sorted(fields)}, not {sorted(data)}")
        self.data = data
        super().__init__(self.message())

    @classmethod
    @cache  # to resolve them takes a quarter of a millisecond
    def fields(cls) -> dict[str, Any]:
        """Return the names and types of the error's data."""
        hints = get_type_hints(cls)
        return {name: hints[name] for name in hints if name not in _CLASS_FACTS}

    @classmethod
    def template(cls) -> str:
        """Return the message, with the error's data in braces."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())

    def message(self) -> str:
        return self.template().format(**self.data)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-RPC error object (https://www.jsonrpc.org/specification#error_object)."""
        return {
            "code": self.code,
            "message": self.message(),
            "data": {
                "name": type(self).__name__,
                "exit_code": self.exit_code,
                "retryable": self.retryable,
                **self.data,
            },
        }


_CLASS_FACTS = frozenset(("code", "http_status", "exit_code", "retryable"))
