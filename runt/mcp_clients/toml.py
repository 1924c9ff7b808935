"""TOML, edited in place: what is not edited stays as it was, comments too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from runt.mcp_clients.jsonc import Malformed

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def value_at(text: str, path: tuple[str, ...]) -> Any:
    """Return the value at a path of keys, None where there is none. Raises `Malformed`."""
    found: Any = _read(text).unwrap()
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def with_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return the text with a value at a path; tables that are missing are made.

    Raises `Malformed`, also where something on the way is there and no table.
    """
    if value_at(text, path) == value:
        return text
    document = _read(text)
    try:
        _put(document, path, value)
    except Malformed:
        raise
    except ValueError as error:  # such as no table inside an inline one
        where = ".".join(path[:-1])
        raise Malformed(f"{where} cannot be edited as it is written there; see --print") from error
    return _dumped(document, text)


def _put(document: TOMLDocument, path: tuple[str, ...], value: Any) -> None:
    table: Any = document
    for depth, key in enumerate(path[:-1]):
        if key not in table:
            # A table that has tables only needs no header of its own.
            table[key] = tomlkit.table(is_super_table=depth < len(path) - 2)
        table = table[key]
        if not isinstance(table, dict):
            raise Malformed(f"{'.'.join(path[: depth + 1])} is no table")
    table[path[-1]] = value


def without_member(text: str, path: tuple[str, ...]) -> str:
    """Return the text without what is at a path. Raises `Malformed`."""
    if value_at(text, path) is None:
        return text
    document = _read(text)
    table: Any = document
    for key in path[:-1]:
        table = table[key]
    del table[path[-1]]
    return _dumped(document, text)


def _dumped(document: TOMLDocument, before: str) -> str:
    """Return the text, with the line ends that it had where they were all of one kind."""
    after = tomlkit.dumps(document)
    if "\r\n" in before and "\n" not in before.replace("\r\n", ""):
        return re.sub(r"(?<!\r)\n", "\r\n", after)
    return after


def _read(text: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise Malformed(str(error)) from None
