"""Delete what is recorded of a runtime, so that nothing of it is left in the files.

``PRAGMA secure_delete`` (https://www.sqlite.org/pragma.html#pragma_secure_delete) overwrites what
is deleted; a checkpoint that truncates removes it from the write-ahead log too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import apsw

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
    used = "SELECT sha256 FROM blob_use WHERE owner = ?"
    for execution_id in ids:
        theirs.update(str(sha256) for (sha256,) in db.execute(used, (execution_id,)))
    owners = "SELECT owner FROM blob_use WHERE sha256 = ?"
    only = [
        sha256
        for sha256 in theirs
        if all(str(row[0]) in ids for row in db.execute(owners, (sha256,)))
    ]
    return Forgettable(list(ids.values()), list(ids), sorted(only))


def newest_left(db: apsw.Connection, what: Forgettable) -> int:
    """Return the number of the newest execution that there will be."""
    going = set(what.numbers)
    for (number,) in db.execute("SELECT number FROM execution ORDER BY number DESC"):
        if number not in going:
            return int(str(number))
    return 0


def forget(db: apsw.Connection, what: Forgettable) -> None:
    """Delete these rows, and the events that tell of them."""
    for number, execution_id in zip(what.numbers, what.ids, strict=True):
        db.execute("DELETE FROM event WHERE execution_id = ?", (execution_id,))
        db.execute("DELETE FROM display WHERE execution_id = ?", (execution_id,))
        db.execute("DELETE FROM blob_use WHERE owner = ?", (execution_id,))
        db.execute("DELETE FROM submission WHERE number = ?", (number,))
        db.execute("DELETE FROM execution WHERE number = ?", (number,))
    for sha256 in what.blobs:
        db.execute("DELETE FROM blob WHERE sha256 = ?", (sha256,))
