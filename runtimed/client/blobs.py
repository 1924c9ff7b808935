"""Values that are too large to be inline: where they are missing, and what goes there.

Stdlib only, and little of it: ``runt`` imports this on every evaluation.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def is_blob(value: object) -> bool:
    """Say whether this stands in the place of a value that is too large to be inline."""
    return isinstance(value, dict) and "blob" in value and "encoding" in value


def in_bundle(data: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield the references among the values of a MIME bundle."""
    yield from filter(is_blob, (data or {}).values())


def in_operation(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the references in an operation (the data of an ``output`` event)."""
    if is_blob(operation.get("text")):
        yield operation["text"]
    yield from in_bundle(operation.get("data"))
    yield from in_bundle((operation.get("output") or {}).get("data"))


def with_blobs(value: Any, found: dict[str, Any]) -> Any:
    """Return the value with the blobs that were found in their places."""
    if is_blob(value):
        return found.get(value["blob"], value)
    if isinstance(value, dict):
        return {name: with_blobs(inner, found) for name, inner in value.items()}
    return value


def of_blob(reference: dict[str, Any], base64_text: str) -> object:
    """Return the value that a blob stands for (`runtimed.api.types.BlobRef`)."""
    import base64

    encoding = reference["encoding"]
    if encoding == "base64":
        return base64_text
    content = base64.b64decode(base64_text)
    if encoding == "json":
        import json

        return json.loads(content)
    return content.decode("utf-8", "replace")
