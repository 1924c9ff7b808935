"""JSON with comments, edited in place: what is not edited stays as it was, to the byte.

Editors' settings have comments and trailing commas, and people's own order and spacing. So a text
is read into values that know where they stand, and an edit is a piece of text put there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
#: What may stand behind a member on its line, and belongs to it.
_REST_OF_LINE = re.compile(r"[ \t]*(?:/\*[^\n]*?\*/[ \t]*)*(?://[^\r\n]*)?(?=\r?\n)")
_BOM = "\ufeff"
_DEEPEST = 200


class Malformed(ValueError):
    """The text is not JSON, or not of the shape that it should have."""


@dataclass
class Node:
    """A value, and from where to where it stands. ``comma`` is whether one trails in it."""

    start: int
    end: int
    value: Any
    members: list[Member] | None = None
    comma: bool = False


@dataclass
class Member:
    """A member of an object; ``end`` is behind its value, or the comma behind that."""

    key: str
    start: int
    node: Node
    end: int = field(default=0)


def value_at(text: str, path: tuple[str, ...]) -> Any:
    """Return the value at a path of members, None where there is none. Raises `Malformed`."""
    found = _read(text).value
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def with_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return the text with a value at a path; objects that are missing on the way are made.

    Raises `Malformed`, also where something on the way is there and no object.
    """
    if not text.removeprefix(_BOM).strip():
        text = "{}\n"
    node = _read(text)
    for depth, key in enumerate(path):
        if node.members is None:
            shown = ".".join(path[:depth]) or "the whole"
            raise Malformed(f"{shown} is no object (line {_line(text, node.start)})")
        member = _member(node, key)
        if member is None:
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _inserted(text, node, key, value)
        node = member.node
    if node.value == value and type(node.value) is type(value):
        return text
    # What is on several lines stays on several.
    indent, unit = _indent(text, node.start), _unit(text)
    return text[: node.start] + _written(text, value, indent, unit) + text[node.end :]


def without_member(text: str, path: tuple[str, ...]) -> str:
    """Return the text without what is at a path. Raises `Malformed`."""
    node = _read(text)
    for key in path[:-1]:
        found = _member(node, key)
        if found is None:
            return text
        node = found.node
    while (member := _member(node, path[-1])) is not None:
        text = _deleted(text, node, member)
        node = _read(text)
        for key in path[:-1]:
            found = _member(node, key)
            assert found is not None  # noqa: S101 (it was there)
            node = found.node
    return text


def _deleted(text: str, node: Node, member: Member) -> str:
    assert node.members is not None  # noqa: S101 (it has this member)
    start, end = member.start, member.end
    line_start = text.rfind("\n", 0, start) + 1
    rest = _REST_OF_LINE.match(text, end)
    if not text[line_start:start].strip() and rest:
        # The lines are its own.
        start, end = line_start, text.index("\n", end) + 1
    elif node.members[-1] is member:
        start = len(text[:start].rstrip(" \t"))
    elif blank := _BLANK.match(text, end):
        end = blank.end()
    cut = text[:start] + text[end:]
    if node.members[-1] is member and len(node.members) > 1 and not node.comma:
        before = node.members[node.members.index(member) - 1]
        cut = cut[: before.node.end] + cut[before.end :]
    return cut


def _inserted(text: str, node: Node, key: str, value: Any) -> str:
    assert node.members is not None  # noqa: S101 (it is an object)
    unit = _unit(text)
    closing = node.end - 1
    outer = _indent(text, node.start)
    if not node.members:
        inner = outer + unit
        said = f"{inner}{json.dumps(key)}: {_written(text, value, inner, unit)}"
        head = text[:closing].rstrip(" \t\r\n")
        return _lines(text, f"{head}\n{said}\n{outer}") + text[closing:]
    last = node.members[-1]
    comma, trailing = ("", ",") if node.comma else (",", "")
    if "\n" not in text[node.start : last.start]:
        said = f"{comma} {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}{trailing}"
        return text[: last.end] + said + text[last.end :]
    inner = _indent(text, last.start)
    said = f"{inner}{json.dumps(key)}: {_written(text, value, inner, unit)}{trailing}"
    rest = _REST_OF_LINE.match(text, last.end)
    behind = rest.end() if rest else last.end
    head = text[: last.end] + comma + text[last.end : behind]
    tail = text[behind:]
    if not rest:
        tail = "\n" + outer + tail.lstrip(" \t")
    return head + _lines(text, f"\n{said}") + _lines(text, tail)


def _lines(text: str, edited: str) -> str:
    """Return what was edited with the line ends of the text."""
    if "\r\n" not in text:
        return edited
    return re.sub(r"(?<!\r)\n", "\r\n", edited)


def _written(text: str, value: Any, indent: str, unit: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return _lines(text, ("\n" + indent).join(lines))


def _indent(text: str, place: int) -> str:
    """Return the white space that the line of a place begins with."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip(" \t"))].removeprefix(_BOM)


def _unit(text: str) -> str:
    """Return what the text indents by."""
    found = re.search(r'\n([ \t]+)"', text)
    return found[1] if found else "  "


def _member(node: Node, key: str) -> Member | None:
    """Return the member of a name; of several the last one counts, as it does for who reads it."""
    found = [each for each in node.members or () if each.key == key]
    return found[-1] if found else None


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _read(text: str) -> Node:
    start = _space(text, len(_BOM) if text.startswith(_BOM) else 0)
    node = _value(text, start, 0)
    end = _space(text, node.end)
    if end < len(text):
        raise _unexpected(text, end)
    return node


def _unexpected(text: str, place: int) -> Malformed:
    column = place - text.rfind("\n", 0, place)
    what = repr(text[place]) if place < len(text) else "the end of the file"
    return Malformed(f"line {_line(text, place)}, column {column}: {what} is not expected there")


def _space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _value(text: str, start: int, depth: int) -> Node:
    if depth > _DEEPEST:
        raise Malformed(f"line {_line(text, start)}: it is nested too deeply")
    if text.startswith("{", start):
        return _object(text, start, depth)
    if text.startswith("[", start):
        return _array(text, start, depth)
    match = _STRING.match(text, start) or _SCALAR.match(text, start)
    try:
        if match:
            return Node(start, match.end(), json.loads(match[0]))
    except ValueError:
        pass
    raise _unexpected(text, start)


def _object(text: str, start: int, depth: int) -> Node:
    node = Node(start, 0, {}, [])
    assert node.members is not None  # noqa: S101 (just made)
    place = _space(text, start + 1)
    while not text.startswith("}", place):
        key = _value(text, place, depth + 1)
        if not isinstance(key.value, str):
            raise _unexpected(text, place)
        colon = _space(text, key.end)
        if not text.startswith(":", colon):
            raise _unexpected(text, colon)
        found = _value(text, _space(text, colon + 1), depth + 1)
        place, node.comma = _behind(text, found.end, "}")
        end = text.index(",", _space(text, found.end)) + 1 if node.comma else found.end
        node.members.append(Member(key.value, key.start, found, end))
        node.value[key.value] = found.value
    node.end = place + 1
    return node


def _array(text: str, start: int, depth: int) -> Node:
    node = Node(start, 0, [])
    place = _space(text, start + 1)
    while not text.startswith("]", place):
        found = _value(text, place, depth + 1)
        node.value.append(found.value)
        place, _ = _behind(text, found.end, "]")
    node.end = place + 1
    return node


def _behind(text: str, end: int, closing: str) -> tuple[int, bool]:
    """Return where what comes after a value begins, and whether a comma stood between."""
    place = _space(text, end)
    if text.startswith(",", place):
        return _space(text, place + 1), True
    if text.startswith(closing, place):
        return place, False
    raise _unexpected(text, place)
