"""Numbers and other values of a plot, a few of them in place of all."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

from runtimed.model.rendering.cutting import boundary_before

_SHOWN = 5
_CHARS = 40
#: Plotly's names of numpy's types (https://plotly.com/python-api-reference, typed arrays).
_FORMATS = {
    "i1": "b",
    "u1": "B",
    "u1c": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "f4": "f",
    "f8": "d",
}


def length(values: Any) -> int | None:
    """Return how many values there are in a list or a typed array of Plotly's; None if neither."""
    if isinstance(values, list):
        return len(values)
    if isinstance(values, dict) and isinstance(data := values.get("bdata"), str):
        if (form := _FORMATS.get(str(values.get("dtype")))) is None:
            return None
        width = struct.calcsize(form)
        return (len(data) * 3 // 4 - data[-2:].count("=")) // width
    return None


def points(values: Any) -> int:
    """Return how many values there are, those of rows in a list counted one by one."""
    if isinstance(values, list) and any(isinstance(row, list | dict) for row in values):
        return sum(length(row) or 1 for row in values)
    return length(values) or 0


def preview(values: Any) -> str:
    """Return the first values and the last: ``0, 0.1, 0.2, … 9.9``."""
    count = length(values)
    if count is None:
        return value(values)
    if isinstance(values, list):
        first, last = values[:_SHOWN], values[-1:]
    else:
        first, last = _decoded(values, 0, min(count, _SHOWN)), _decoded(values, count - 1, 1)
    shown = ", ".join(map(value, first))
    return shown if count <= _SHOWN else f"{shown}, … {', '.join(map(value, last))}"


def _decoded(values: dict[str, Any], begin: int, count: int) -> list[Any]:
    form = "<" + _FORMATS[str(values.get("dtype"))]
    width = struct.calcsize(form)
    start = begin * width // 3 * 4
    try:
        head = base64.b64decode(values["bdata"][start : start + (count * width // 3 + 3) * 4])
        skip = begin * width % 3
        return [struct.unpack_from(form, head, skip + i * width)[0] for i in range(count)]
    except (binascii.Error, struct.error, ValueError):
        return []


def value(one: Any) -> str:
    """Return one value, short: six digits of a number, the beginning of a string."""
    if isinstance(one, float):
        return f"{one:.6g}"
    if isinstance(one, dict):
        return "{…}" if one else "{}"
    if isinstance(one, list):
        return f"[{preview(one)}]" if all(not isinstance(each, list) for each in one) else "[…]"
    text = "null" if one is None else str(one)
    return text if len(text) <= _CHARS else text[: boundary_before(text, _CHARS)] + "…"
