"""Delete what is recorded of a runtime, so that nothing of it is left in the files.

``PRAGMA secure_delete`` (https://www.sqlite.org/pragma.html#pragma_secure_delete) overwrites what
is deleted; a checkpoint that truncates removes it from the write-ahead log too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from runtimed.store import blobs, executions
from runtimed.store.db import set_meta

if TYPE_CHECKING:
    import apsw

_FINAL = "status NOT IN ('queued', 'running', 'waiting_input')"


class Forgettable(msgspec.Struct):
    """What would go: the numbers and ids of executions."""

    numbers: list[int]
    ids: list[str]


def forgettable(db: apsw.Connection, runtime_id: str, since_ms: int) -> Forgettable:
    """Return the runtime's final executions since then. It may take long."""
    rows = db.execute(
        f"SELECT number, id FROM execution WHERE runtime_id = ? AND queued_ms >= ? AND {_FINAL}",  # noqa: S608
        (runtime_id, since_ms),
    ).fetchall()
    return Forgettable([int(str(number)) for number, _ in rows], [str(id) for _, id in rows])


def newest_left(db: apsw.Connection, what: Forgettable) -> int:
    """Return the number of the newest execution that there will be."""
    going = set(what.numbers)
    for (number,) in db.execute("SELECT number FROM execution ORDER BY number DESC"):
        if number not in going:
            return int(str(number))
    return 0


def forget(db: apsw.Connection, what: Forgettable) -> list[str]:
    """Delete these rows, and the events that tell of them; their numbers are not given again.

    Return the blobs that nothing refers to now. They stay on the record of blobs for as long as
    their files are there: after a crash they are found by that.
    """
    left: list[str] = []
    set_meta(db, "execution.number", str(executions.last_number(db)))
    for number, execution_id in zip(what.numbers, what.ids, strict=True):
        db.execute("DELETE FROM event WHERE execution_id = ?", (execution_id,))
        db.execute("DELETE FROM display WHERE execution_id = ?", (execution_id,))
        left += blobs.leave(db, execution_id)
        db.execute("DELETE FROM submission WHERE number = ?", (number,))
        db.execute("DELETE FROM execution WHERE number = ?", (number,))
    return left
