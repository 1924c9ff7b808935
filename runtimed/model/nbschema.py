"""What nbformat 4.5 demands of metadata and attachments, which clients may set as they like.

nbformat itself says the same, and more, but takes 35 MB to load. All functions return the first
fault, as a sentence that begins with its place; None where there is none.
https://github.com/jupyter/nbformat/blob/main/nbformat/v4/nbformat.v4.5.schema.json
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Deeper, the libraries that read and write notebooks come to their limits.
MAX_DEPTH = 100
_MOST_COUNT = 2**63 - 1
_JSON_TYPE = re.compile(r"application/(.*\+)?json")


def notebook_fault(metadata: Mapping[str, Any], place: str = "$.metadata") -> str | None:
    """Judge a notebook's metadata."""
    return (
        _depth_fault(metadata, place)
        or _named_fault(metadata, "kernelspec", ("name", "display_name"), place)
        or _named_fault(metadata, "language_info", ("name",), place)
        or _language_fault(metadata.get("language_info", {}), f"{place}.language_info")
        or _texts_fault(metadata, ("title",), place)
        or _list_fault(metadata, "authors", place)
        or _version_fault(metadata, place)
    )


def cell_fault(
    kind: str,
    metadata: Mapping[str, Any],
    attachments: Mapping[str, Any] | None = None,
    place: str = "$",
) -> str | None:
    """Judge a cell's metadata and attachments; ``kind`` is what is to have them."""
    at = f"{place}.metadata"
    return (
        _depth_fault(metadata, at)
        or _object_fault(metadata.get("jupyter", {}), f"{at}.jupyter")
        or _name_fault(metadata, at)
        or _tags_fault(metadata.get("tags", []), f"{at}.tags")
        or (_texts_fault(metadata, ("format",), at) if kind == "raw" else None)
        or (_run_fault(metadata, at) if kind == "code" else None)
        or _attachments_fault(attachments or {}, f"{place}.attachments")
    )


def content_fault(notebook: Mapping[str, Any]) -> str | None:
    """Judge the metadata and attachments of a whole notebook, as nbformat has it."""
    faults = (
        cell_fault(cell["cell_type"], cell["metadata"], cell.get("attachments"), f"$.cells[{n}]")
        for n, cell in enumerate(notebook["cells"])
    )
    return (
        notebook_fault(notebook["metadata"])
        or next(filter(None, faults), None)
        or _count_fault(notebook["cells"])
    )


def _count_fault(cells: Iterable[Mapping[str, Any]]) -> str | None:
    """Judge the execution_counts: JSON has numbers of any size, a database has not."""
    counts = ((n, cell.get("execution_count") or 0) for n, cell in enumerate(cells))
    return next(
        (
            f"$.cells[{n}].execution_count is too large"
            for n, count in counts
            if not count <= _MOST_COUNT
        ),
        None,
    )


def _object_fault(value: object, place: str) -> str | None:
    return None if isinstance(value, dict) else f"{place} must be an object"


def _named_fault(
    metadata: Mapping[str, Any], name: str, required: tuple[str, ...], place: str
) -> str | None:
    """Judge an object that may be absent, but has these texts where it is there."""
    if name not in metadata:
        return None
    value, place = metadata[name], f"{place}.{name}"
    if fault := _object_fault(value, place):
        return fault
    missing = (member for member in required if member not in value)
    absent = next((f"{place}.{member} is missing" for member in missing), None)
    return absent or _texts_fault(value, required, place)


def _texts_fault(value: Mapping[str, Any], names: Iterable[str], place: str) -> str | None:
    wrong = (name for name in names if not isinstance(value.get(name, ""), str))
    return next((f"{place}.{name} must be text" for name in wrong), None)


def _language_fault(info: Mapping[str, Any], place: str) -> str | None:
    if not isinstance(info.get("codemirror_mode", ""), str | dict):
        return f"{place}.codemirror_mode must be text or an object"
    return _texts_fault(info, ("file_extension", "mimetype", "pygments_lexer"), place)


def _list_fault(metadata: Mapping[str, Any], name: str, place: str) -> str | None:
    return None if isinstance(metadata.get(name, []), list) else f"{place}.{name} must be a list"


def _version_fault(metadata: Mapping[str, Any], place: str) -> str | None:
    version = metadata.get("orig_nbformat", 1)
    if isinstance(version, int) and not isinstance(version, bool) and version >= 1:
        return None
    return f"{place}.orig_nbformat must be a number from 1"


def _name_fault(metadata: Mapping[str, Any], place: str) -> str | None:
    name = metadata.get("name", "x")
    if isinstance(name, str) and re.search(r"^.+$", name):
        return None
    return f"{place}.name must be text that is not empty"


def _tags_fault(tags: object, place: str) -> str | None:
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return f"{place} must be a list of texts"
    if len(set(tags)) < len(tags):
        return f"{place} has one of them twice"
    if not all(re.search(r"^[^,]+$", tag) for tag in tags):
        return f"{place} has an empty one, or one with a comma"
    return None


def _run_fault(metadata: Mapping[str, Any], place: str) -> str | None:
    """Judge what only cells of code have."""
    times = metadata.get("execution", {})
    if not isinstance(times, dict) or not all(isinstance(time, str) for time in times.values()):
        return f"{place}.execution must be an object of texts"
    if not isinstance(metadata.get("collapsed", False), bool):
        return f"{place}.collapsed must be true or false"
    scrolled = metadata.get("scrolled", "auto")
    if not isinstance(scrolled, bool) and scrolled != "auto":
        return f'{place}.scrolled must be true, false or "auto"'
    return None


def _attachments_fault(attachments: Mapping[str, Any], place: str) -> str | None:
    if deep := _depth_fault(attachments, place):
        return deep
    for name, bundle in attachments.items():
        if not isinstance(bundle, dict):
            return f"{place}.{name} must be an object: type → content"
        for mime, value in bundle.items():
            if not _JSON_TYPE.fullmatch(mime) and not _is_text(value):
                return f"{place}.{name}.{mime} must be text"
    return None


def _is_text(value: object) -> bool:
    """Say whether it is text, or text in lines."""
    if isinstance(value, list):
        return all(isinstance(line, str) for line in value)
    return isinstance(value, str)


def is_nested(value: object, levels: int) -> bool:
    """Say whether lists and objects are nested in one another deeper than so many levels."""
    if not isinstance(value, dict | list):
        return False
    left = [(value, 1)]
    while left:
        outer, level = left.pop()
        if level > levels:
            return True
        within = outer.values() if isinstance(outer, dict) else outer
        left += [(inner, level + 1) for inner in within if isinstance(inner, dict | list)]
    return False


def _depth_fault(value: object, place: str) -> str | None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return None
    return f"{place} is nested more than {MAX_DEPTH} deep"
