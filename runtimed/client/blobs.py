"""Values that are too large to be inline: where they are missing, and what goes there.

Stdlib only, and little of it: ``runt`` imports this on every evaluation.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


_MEMBERS = {"blob", "size_bytes", "encoding"}
_ENCODINGS = ("utf8", "base64", "json", "bytes")
_DIGITS = 64


def is_blob(value: object) -> bool:
    """Say whether this stands in the place of a value that is too large to be inline.

    What looks like that in what a kernel or a file says, the daemon has made a blob of itself; of
    one from before it did so, this is a value still unless it is exact.
    """
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        return False
    sha256 = value["blob"]
    return (
        value["encoding"] in _ENCODINGS
        and isinstance(sha256, str)
        and len(sha256) == _DIGITS
        and not sha256.strip("0123456789abcdef")
    )


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
    """Return an operation, an output or a bundle with the blobs that were found in their places.

    These are where `in_operation` looks; what looks like a reference inside a value is the value.
    """
    if not isinstance(value, dict):
        return value
    return {
        name: _put(inner, found) if is_blob(inner) else _below(name, inner, found)
        for name, inner in value.items()
    }


def _below(name: str, inner: Any, found: dict[str, Any]) -> Any:
    return with_blobs(inner, found) if name in ("output", "data") else inner


def _put(reference: dict[str, Any], found: dict[str, Any]) -> Any:
    return found.get(reference["blob"], reference)


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
