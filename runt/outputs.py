"""Outputs as text for a terminal or a pipe. Pure: no I/O.

An output is what nbformat 4.5 says it is. What cannot be text is named in angle brackets.
"""

from __future__ import annotations

from runtimed.client.blobs import is_blob as is_blob
from runtimed.client.blobs import of_blob as of_blob
from runtimed.client.blobs import with_blobs as with_blobs
from runtimed.model.text import size as size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Types that are shown as they are where there is no text/plain, best first.
_READABLE = ("text/markdown", "text/latex", "application/json", "text/html")

STDOUT, STDERR = 1, 2


def of_output(output: dict[str, Any]) -> tuple[int, str]:
    """Return the file descriptor and the text of one output (with its line end, but streams)."""
    kind = output.get("output_type")
    if kind == "stream":
        return (STDERR if output.get("name") == "stderr" else STDOUT), output.get("text") or ""
    if kind == "error":
        return STDERR, traceback(output)
    return STDOUT, rich(output.get("data") or {})


def traceback(error: dict[str, Any]) -> str:
    """Return an error's traceback, as coloured as it came."""
    lines = error.get("traceback") or []
    text = "\n".join(str(line) for line in lines)
    if not text:
        text = f"{error.get('ename')}: {error.get('evalue')}"
    return text if text.endswith("\n") else text + "\n"


def rich(data: dict[str, Any]) -> str:
    """Return the text/plain of a MIME bundle, or else what there is."""
    if not data:
        return ""
    mime = "text/plain"
    if mime not in data:
        mime = next((m for m in _READABLE if m in data), next(iter(data)))
    value = data[mime]
    if mime.startswith("text/") or mime == "application/json":
        text = as_text(value)
        return text if text.endswith("\n") else text + "\n"
    return f"<{mime}, {size(_length(mime, value))}>\n"


def as_text(value: object) -> str:
    """Return a MIME value as text: multi-line strings joined, JSON written out."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    import json

    return json.dumps(value, ensure_ascii=False)


def _length(mime: str, value: object) -> int:
    if isinstance(value, dict) and is_blob(value):
        return int(value["size_bytes"])
    text = as_text(value)
    if mime.startswith(("image/", "audio/", "video/")) and mime != "image/svg+xml":
        return len(text.rstrip("\n=")) * 3 // 4
    return len(text.encode("utf-8", "replace"))


def blobs(value: object) -> list[dict[str, Any]]:
    """Return the blob references inside an output or event that are needed to show it as text."""
    if not isinstance(value, dict):
        return []
    found = []
    for name, inner in value.items():
        if name in ("data", "output"):
            found += blobs(inner)
        elif (name == "text" or name.startswith("text/")) and is_blob(inner):
            found.append(inner)
    return found
