"""What a runtime goes by, and which names are still free."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtimed.api.errors import NameTaken
from runtimed.model.ids import short

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.store.runtimes import RuntimeRow


def names_of(row: RuntimeRow) -> list[str]:
    """Return what the runtime may be called by, besides its id and prefixes."""
    file = os.path.basename(row.connection_file)
    stem = file.removesuffix(".json")
    names = [short(row.id), row.name, stem, stem.removeprefix("kernel-")]
    names += [file, row.connection_file]
    if row.pid is not None:
        names.append(str(row.pid))
    if row.owner is not None and (path := row.owner.get("path")):
        names += [path, os.path.basename(path)]
    return names


def living_called(rows: Iterable[RuntimeRow], name: str) -> RuntimeRow | None:
    """Return the living runtime that this name leads to already: as its name, or as its id."""
    for row in rows:
        if row.status != "dead" and (name in names_of(row) or name.upper() == row.id):
            return row
    return None


def free_name(rows: Iterable[RuntimeRow], base: str) -> str:
    """Return a name that leads to none of these runtimes: the base, or with a number."""
    living = [row for row in rows if row.status != "dead"]
    taken = {name for row in living for name in names_of(row)}
    ids = {row.id for row in living}
    number, name = 1, base
    while name in taken or name.upper() in ids:
        number += 1
        name = f"{base}-{number}"
    return name


def check_free(rows: Iterable[RuntimeRow], name: str) -> None:
    """Raise `NameTaken` if the name leads to one of these runtimes."""
    if (taken := living_called(rows, name)) is not None:
        raise NameTaken(wanted=name, runtime=short(taken.id))
