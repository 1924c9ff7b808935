"""Executions and outputs as nbformat has them, and back (nbformat 4.5).

What goes in are documents of the API as JSON has them (an `Execution`'s members, outputs as
`model.outputs.fold` gives them), so that either side of the socket can do it. Pure: the bytes
of blobs come from a callable. https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.model import nbschema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    #: Returns a blob's bytes by their SHA-256; None where it is not there any more.
    LoadBlob = Callable[[str], bytes | None]

NBFORMAT, NBFORMAT_MINOR = 4, 5
_JSON_TYPE = re.compile(r"application/(.*\+)?json")
_REF = frozenset(("blob", "size_bytes", "encoding"))
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GONE, _NESTED = object(), object()
#: Deeper values of outputs are beyond what nbformat and its like can write.
MOST_NESTED = 400
#: Metadata that JupyterLab writes of a cell's run (its setting `recordTiming`).
TIMINGS = "execution"
#: Our own metadata of a cell: `remarks`.
REMARKS = "runtimed"
#: How those end that the kernel has replied to.
_REPLIED = ("done", "error", "interrupted")


def notebook(cells: list[dict[str, Any]], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook of these cells."""
    return {
        "cells": cells,
        "metadata": dict(metadata),
        "nbformat": NBFORMAT,
        "nbformat_minor": NBFORMAT_MINOR,
    }


def kernel_metadata(
    kernel_name: str, language: str | None, *, display_name: str | None = None
) -> dict[str, Any]:
    """Return the metadata by which a notebook's reader finds the kernel again."""
    spec = {"name": kernel_name, "display_name": display_name or kernel_name}
    if language is None:
        return {"kernelspec": spec}
    return {"kernelspec": spec | {"language": language}, "language_info": {"name": language}}


def executed_cell(
    execution: Mapping[str, Any],
    outputs: Iterable[Mapping[str, Any]],
    load: LoadBlob,
    *,
    cell_id: str | None = None,
) -> dict[str, Any]:
    """Return the code cell that an execution was: its code, outputs, count and timings.

    Without ``cell_id`` the execution's own id is the cell's. What nbformat has no word for (how it
    ended, what is missing) stands under ``runtimed`` in its metadata, where there is any.
    """
    metadata: dict[str, Any] = {}
    if times := timings(execution):
        metadata[TIMINGS] = times
    if said := remarks(execution):
        metadata[REMARKS] = said
    return {
        "cell_type": "code",
        "id": cell_id or str(execution["id"]).lower(),
        "metadata": metadata,
        "source": execution["code"],
        "execution_count": execution["execution_count"],
        "outputs": to_nbformat(outputs, load),
    }


def timings(execution: Mapping[str, Any]) -> dict[str, str]:
    """Return when it began and ended, under the names that JupyterLab writes.

    ``iopub.*`` and ``shell.*`` are the messages whose time it takes; of one that has no reply
    (it never ended, or was never sent) there is none.
    """
    began, ended = execution["execution_started"], execution["execution_end"]
    times: dict[str, str] = {}
    if began is not None:
        times["iopub.status.busy"] = times["iopub.execute_input"] = began
        if ended is not None and execution["status"] in _REPLIED:
            times["iopub.status.idle"] = times["shell.execute_reply"] = ended
    return dict(sorted(times.items()))


def remarks(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Return how it ended, where not by itself, and what is missing of it."""
    found: dict[str, Any] = {}
    if execution["status"] not in ("done", "error"):
        found["status"] = execution["status"]
        if execution["reason"] is not None:
            found["reason"] = execution["reason"]
    for name in ("gap", "outputs_removed"):
        if execution.get(name) is not None:
            found[name] = execution[name]
    return found


def to_nbformat(outputs: Iterable[Mapping[str, Any]], load: LoadBlob) -> list[dict[str, Any]]:
    """Return folded outputs as nbformat's. Display ids and buffers have no place there."""
    return [_output(output, load) for output in outputs]


def _output(output: Mapping[str, Any], load: LoadBlob) -> dict[str, Any]:
    kind = output["output_type"]
    if kind == "stream":
        return {"output_type": kind, "name": output["name"], "text": output["text"]}
    if kind == "error":
        names = ("output_type", "ename", "evalue", "traceback")
        return {name: output.get(name) for name in names}
    found: dict[str, Any] = {
        "output_type": kind,
        "data": bundle(output.get("data") or {}, load),
        "metadata": _metadata(output),
    }
    if kind == "execute_result":
        found["execution_count"] = output.get("execution_count")
    return found


def _metadata(output: Mapping[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = output.get("metadata") or {}
    return {} if nbschema.is_nested(metadata, MOST_NESTED) else metadata


def bundle(data: Mapping[str, Any], load: LoadBlob) -> dict[str, Any]:
    """Return a mimebundle with its blobs in place, and with text where nbformat wants text.

    A value whose blob is gone is left out; so is one that no file can have, with a remark.
    """
    found: dict[str, Any] = {}
    for mime, stored in data.items():
        value = _value(stored, load)
        if value is _GONE:
            continue
        if value is _NESTED:
            found.setdefault("text/plain", f"<{mime}: left out, it is nested too deep>")
            continue
        found[mime] = value if _JSON_TYPE.fullmatch(mime) else _as_text(value)
    return found


def _value(stored: Any, load: LoadBlob) -> Any:
    """Return what a bundle has, or refers to; `_GONE`, or `_NESTED` deeper than a file may be."""
    if not is_reference(stored):
        return _NESTED if nbschema.is_nested(stored, MOST_NESTED) else stored
    content = load(stored["blob"])
    if content is None:
        return _GONE
    try:
        value = blob_value(content, stored["encoding"])
    except RecursionError:
        return _NESTED
    except ValueError:
        return _GONE
    return _NESTED if nbschema.is_nested(value, MOST_NESTED) else value


def is_reference(value: object) -> bool:
    """Say whether a value is a `BlobRef`: what only looks like one is a value."""
    if not isinstance(value, dict) or value.keys() != _REF:
        return False
    sha256 = value["blob"]
    return isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None


def blob_value(content: bytes, encoding: str) -> Any:
    """Return the value that a blob stands for (see `BlobRef`)."""
    if encoding == "json":
        try:
            return msgspec.json.decode(content)  # it takes a fraction of the time
        except ValueError:
            return json.loads(content)  # which knows NaN
    if encoding == "utf8":
        return content.decode()
    return base64.b64encode(content).decode("ascii")


def _as_text(value: object) -> str | list[str]:
    """Return what a mimebundle may have under a type that is not JSON's: kernels send anything."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def from_nbformat(outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return nbformat's outputs as ours; what a document of ours has no member for is left out."""
    return [_folded(output) for output in outputs]


def _folded(output: Mapping[str, Any]) -> dict[str, Any]:
    kind = output["output_type"]
    if kind == "stream":
        return {"output_type": kind, "name": output["name"], "text": _joined(output["text"])}
    if kind == "error":
        return {
            "output_type": kind,
            "ename": output["ename"],
            "evalue": output["evalue"],
            "traceback": list(output["traceback"]),
        }
    found: dict[str, Any] = {
        "output_type": kind,
        "data": {
            mime: _joined(value)
            if isinstance(value, list) and not _JSON_TYPE.fullmatch(mime)
            else value  # it may be a `BlobRef`
            for mime, value in output["data"].items()
        },
        "metadata": dict(output["metadata"]),
    }
    if kind == "execute_result":
        found["execution_count"] = output["execution_count"]
    return found


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
