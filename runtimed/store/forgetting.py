"""Delete what is recorded of a runtime, so that nothing of it is left in the files.

``PRAGMA secure_delete`` (https://www.sqlite.org/pragma.html#pragma_secure_delete) overwrites what
is deleted; a checkpoint that truncates removes it from the write-ahead log too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import apsw

_BLOB = re.compile(r'"blob":"([0-9a-f]{64})"')
_FINAL = "status NOT IN ('queued', 'running', 'waiting_input')"


class Forgettable(msgspec.Struct):
    """What would go: the numbers and ids of executions, and blobs that nothing else refers to."""

    numbers: list[int]
    ids: list[str]
    blobs: list[str]


def forgettable(db: apsw.Connection, runtime_id: str, since_ms: int) -> Forgettable:
    """Return the runtime's final executions since then, with their blobs. It may take long."""
    rows = db.execute(
        f"SELECT number, id FROM execution WHERE runtime_id = ? AND queued_ms >= ? AND {_FINAL}",  # noqa: S608
        (runtime_id, since_ms),
    ).fetchall()
    ids = {str(execution_id): int(str(number)) for number, execution_id in rows}
    theirs: set[str] = set()
    for execution_id in ids:
        for (data,) in db.execute(
            "SELECT data_json FROM event WHERE execution_id = ? AND data_json LIKE '%\"blob\":%'",
            (execution_id,),
        ):
            theirs.update(_BLOB.findall(data))
    if theirs:
        for execution_id, data in db.execute(
            "SELECT execution_id, data_json FROM event WHERE data_json LIKE '%\"blob\":%'"
        ):
            if execution_id not in ids:
                theirs.difference_update(_BLOB.findall(data))
    return Forgettable(list(ids.values()), list(ids), sorted(theirs))


def forget(db: apsw.Connection, what: Forgettable) -> None:
    """Delete these rows, and the events that tell of them."""
    for number, execution_id in zip(what.numbers, what.ids, strict=True):
        db.execute("DELETE FROM event WHERE execution_id = ?", (execution_id,))
        db.execute("DELETE FROM display WHERE execution_id = ?", (execution_id,))
        db.execute("DELETE FROM submission WHERE number = ?", (number,))
        db.execute("DELETE FROM execution WHERE number = ?", (number,))
    for sha256 in what.blobs:
        db.execute("DELETE FROM blob WHERE sha256 = ?", (sha256,))
