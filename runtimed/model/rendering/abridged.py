"""JSON that is shorter, and still JSON: fewer items, shorter strings, less depth."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtimed.model.rendering.cutting import boundary_after, boundary_before, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class _Limits:
    """How much is left: levels, items of a list, members of an object, characters of a string."""

    depth: int
    items: int
    members: int
    chars: int


#: Less and less. The items of a list are often alike, and what they are made of is what has to be
#: known to work with them: so there are fewer of them before there is less depth.
_LIMITS = (
    _Limits(40, 1000, 1000, 4000),
    _Limits(20, 300, 300, 1000),
    _Limits(12, 100, 200, 400),
    _Limits(8, 50, 100, 200),
    _Limits(8, 30, 60, 120),
    _Limits(8, 15, 40, 80),
    _Limits(8, 8, 40, 60),
    _Limits(8, 5, 30, 60),
    _Limits(8, 3, 30, 60),
    _Limits(8, 2, 20, 40),
    _Limits(7, 1, 20, 40),
    _Limits(5, 1, 12, 30),
    _Limits(4, 3, 8, 30),
    _Limits(3, 3, 5, 30),
    _Limits(2, 3, 3, 24),
    _Limits(1, 3, 3, 24),
    _Limits(1, 1, 1, 16),
    _Limits(0, 0, 0, 16),
)
_DEEPEST = 60
#: A string that is not much longer stays: to say how much is missing takes as much.
_SLACK_CHARS = 30
#: A value that is longer on one line is written on several.
_LINE_CHARS = 100
#: Items of a list that are as short as this share their lines.
_SHORT_CHARS = 24


def as_json(value: Any) -> str:
    """Return the JSON of a value; what is deeper than 60 levels is only counted."""
    return _written(_less(value, _Limits(_DEEPEST, sys.maxsize, sys.maxsize, sys.maxsize)))


def abridged(value: Any, max_chars: int) -> str | None:
    """Return JSON of at most so many characters, which says what is missing; None for too few."""
    for limits in _LIMITS:
        line = _on_one_line(less := _less(value, limits))
        if len(line) <= max_chars:
            text = _written(less)
            return text if len(text) <= max_chars else line
    return None


def _written(value: Any, indent: int = 0) -> str:
    """Return JSON to be read: on one line what fits there, the items of a long list in rows."""
    text = _on_one_line(value)
    if len(text) + indent <= _LINE_CHARS or not isinstance(value, dict | list):
        return text
    inner = " " * (indent + 1)
    if isinstance(value, dict):
        members = [f"{_on_one_line(k)}: {_written(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + inner + f",\n{inner}".join(members) + "\n" + " " * indent + "}"
    items = [_written(each, indent + 1) for each in value]
    return "[\n" + inner + f",\n{inner}".join(_rows(items)) + "\n" + " " * indent + "]"


def _rows(items: list[str]) -> Iterator[str]:
    """Yield short items in rows, each long one by itself."""
    row: list[str] = []
    chars = 0
    for item in items:
        chars += len(item) + 2
        if row and (chars > _LINE_CHARS or max(len(item), len(row[0])) > _SHORT_CHARS):
            yield ", ".join(row)
            row, chars = [], len(item) + 2
        row.append(item)
    yield ", ".join(row)


def _on_one_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _less(value: Any, limits: _Limits, level: int = 0) -> Any:
    if isinstance(value, str):
        return _short(value, limits.chars)
    if isinstance(value, dict):
        return _less_of_object(value, limits, level)
    if isinstance(value, list | tuple):
        return _less_of_list(value, limits, level)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > 4 * (limits.chars + _SLACK_CHARS):
        return _short(str(value), limits.chars)
    return value if isinstance(value, int | float | None) else _short(str(value), limits.chars)


def _less_of_object(value: dict[str, Any], limits: _Limits, level: int) -> dict[str, Any]:
    if level == limits.depth and value:
        return {"…": counted(len(value), "member")}
    kept = list(value.items())[: limits.members]
    found: dict[str, Any] = {}
    for name, member in kept:
        # Two names may be the same where they are shortened.
        found.setdefault(_short_name(str(name), limits.chars), _less(member, limits, level + 1))
    if len(found) < len(value):
        found["…"] = f"{len(value) - len(found):,} more"
    return found


def _less_of_list(value: Sequence[Any], limits: _Limits, level: int) -> list[Any]:
    if level == limits.depth and value:
        return [f"… {counted(len(value), 'item')}"]
    if len(value) <= limits.items:
        return [_less(each, limits, level + 1) for each in value]
    last = limits.items // 3
    first = limits.items - last
    return [
        *(_less(each, limits, level + 1) for each in value[:first]),
        f"… {len(value) - limits.items:,} more",
        *(_less(each, limits, level + 1) for each in value[len(value) - last :]),
    ]


def _short_name(text: str, chars: int) -> str:
    """Return the beginning and the end of a name: many begin alike, as paths do."""
    if len(text) <= chars + _SLACK_CHARS:
        return text
    half = chars // 2
    return f"{text[: boundary_before(text, half)]}…{text[boundary_after(text, len(text) - half) :]}"


def _short(text: str, chars: int) -> str:
    if len(text) <= chars + _SLACK_CHARS:
        return text
    end = boundary_before(text, chars)
    return f"{text[:end]}… {len(text) - end:,} more characters"
