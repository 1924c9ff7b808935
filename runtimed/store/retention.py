"""What is stored takes room: how much, what may go, and how it goes, a little at a time."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.store import blobs

if TYPE_CHECKING:
    import apsw

_FINAL = "status NOT IN ('queued', 'running', 'waiting_input')"
_encode = msgspec.json.Encoder().encode
#: One transaction removes so many events, or so many bytes of them.
STEP_EVENTS, STEP_BYTES = 200, 1024 * 1024
#: So many pages are given back to the file system in one transaction.
_STEP_PAGES = 256


class Removable(msgspec.Struct):
    """An execution whose outputs may go; ``size_bytes`` of them, blobs that go with them included.

    Of a blob that several refer to, the last one of them to go counts.
    """

    number: int
    id: str
    runtime_id: str
    size_bytes: int


class Plan:
    """What goes, in this order: numbers of executions, and how many bytes each frees."""

    def __init__(self) -> None:
        self.numbers = array("q")  # there may be a million of them
        self.sizes_bytes = array("q")
        self.foreign = 0
        """So many of the first are others'."""

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes_bytes)

    def cut(self, enough_bytes: int) -> None:
        """Leave the last ones out that are not needed to free so much."""
        freed_bytes = count = 0
        while count < len(self.numbers) and freed_bytes < enough_bytes:
            freed_bytes += self.sizes_bytes[count]
            count += 1
        del self.numbers[count:], self.sizes_bytes[count:]
        self.foreign = min(self.foreign, count)

    def spare(self, spared_bytes: int) -> None:
        """Leave the last ones out that find room in so many bytes."""
        goes = []
        for at in reversed(range(len(self.numbers))):
            if self.sizes_bytes[at] <= spared_bytes:
                spared_bytes -= self.sizes_bytes[at]
            else:
                goes.append(at)
        goes.reverse()
        self.numbers = array("q", (self.numbers[at] for at in goes))
        self.sizes_bytes = array("q", (self.sizes_bytes[at] for at in goes))
        self.foreign = sum(at < self.foreign for at in goes)


def database_bytes(db: apsw.Connection) -> int:
    """Return how much of the database is in use; free pages are used again."""
    pages = int(db.pragma("page_count")) - int(db.pragma("freelist_count"))
    return pages * int(db.pragma("page_size"))


def plan(db: apsw.Connection, enough_bytes: int) -> Plan:
    """Return what may go until so much is free: the oldest of others, then the oldest of ours.

    Where that is less, it is all that may go. It may take long.
    """
    sql = (
        "SELECT number, id FROM execution "  # noqa: S608
        f"WHERE (origin IS NULL) = ? AND pinned_ms IS NULL AND {_FINAL} ORDER BY number"
    )
    found, users, freed_bytes, kept = Plan(), dict[str, int](), 0, shown(db)
    for is_own in (False, True):
        for number, execution_id in db.execute(sql, (int(is_own),)):
            if number in kept:
                continue
            size_bytes = _size_bytes(db, str(execution_id), users)
            if size_bytes:
                found.numbers.append(int(str(number)))
                found.sizes_bytes.append(size_bytes)
                found.foreign += not is_own
                freed_bytes += size_bytes
            if freed_bytes >= enough_bytes:
                return found
    return found


def _size_bytes(db: apsw.Connection, execution_id: str, users: dict[str, int]) -> int:
    """Return what goes with its outputs; ``users`` is who else still refers to shared blobs."""
    outputs = (
        "SELECT coalesce(sum(octet_length(data_json)), 0) FROM event "
        "WHERE execution_id = ? AND type = 'output'"
    )
    used = "SELECT sha256, size_bytes FROM blob_use JOIN blob USING (sha256) WHERE owner = ?"
    count = "SELECT count(*) FROM blob_use WHERE sha256 = ?"
    size_bytes = int(db.execute(outputs, (execution_id,)).get)
    for sha256, its_bytes in db.execute(used, (execution_id,)).fetchall():
        left = (users.get(str(sha256)) or int(db.execute(count, (sha256,)).get)) - 1
        if left:
            users[str(sha256)] = left
        else:
            size_bytes += int(str(its_bytes))
    return size_bytes


def shown(db: apsw.Connection) -> frozenset[int]:
    """Return what the cells of open notebooks show: without it, a save would empty their files."""
    return frozenset(int(str(row[0])) for row in db.execute(f"{_SHOWN} FROM cell"))


_SHOWN = (
    "SELECT coalesce((SELECT max(number) FROM execution WHERE cell_notebook = cell.notebook_id "
    "AND cell_id = cell.id AND started_ms IS NOT NULL "
    "AND number > coalesce((SELECT number FROM cell_output WHERE cell_id = cell.id), 0)), 0)"
)


def still_removable(db: apsw.Connection, number: int, size_bytes: int) -> Removable | None:
    """Return what was planned to go; None where it was pinned, shown or forgotten meanwhile."""
    sql = "SELECT id, runtime_id, cell_id FROM execution WHERE number = ? AND pinned_ms IS NULL"
    row = db.execute(sql, (number,)).fetchone()
    if row is None or db.execute(f"{_SHOWN} FROM cell WHERE id = ?", (row[2],)).get == number:
        return None
    return Removable(number, str(row[0]), str(row[1]), size_bytes)


def mark_removed(db: apsw.Connection, what: Removable, at_ms: int, reason: str) -> dict[str, Any]:
    """Put the tombstone up: {at_ms, reason, size_bytes}; what was removed before counts."""
    before = "SELECT json_extract(outputs_removed_json, '$.size_bytes') FROM execution WHERE id = ?"
    size_bytes = what.size_bytes + int(db.execute(before, (what.id,)).get or 0)
    tombstone = {"at_ms": at_ms, "reason": reason, "size_bytes": size_bytes}
    db.execute(
        "UPDATE execution SET outputs_removed_json = ? WHERE id = ?",
        (_encode(tombstone).decode(), what.id),
    )
    return tombstone


def remove_some(db: apsw.Connection, execution_id: str) -> bool:
    """Remove the first of an execution's outputs; return whether these were all."""
    sql = (
        "SELECT seq, octet_length(data_json) FROM event "
        "WHERE execution_id = ? AND type = 'output' ORDER BY seq LIMIT ?"
    )
    size_bytes = 0
    rows = db.execute(sql, (execution_id, STEP_EVENTS)).fetchall()
    for count, (seq, its_bytes) in enumerate(rows, 1):
        db.execute("DELETE FROM event WHERE seq = ?", (seq,))
        size_bytes += int(str(its_bytes))
        if size_bytes >= STEP_BYTES:
            return count == len(rows) < STEP_EVENTS
    return len(rows) < STEP_EVENTS


def leave_blobs(db: apsw.Connection, execution_id: str) -> list[str]:
    """Forget which blobs an execution refers to; return those that nobody does any more."""
    return blobs.leave(db, execution_id)


def give_back(db: apsw.Connection) -> bool:
    """Give some free pages back to the file system; return whether there are more.

    A database that was made before this was possible keeps them, and uses them again
    (https://www.sqlite.org/pragma.html#pragma_incremental_vacuum).
    """
    if db.pragma("auto_vacuum") != _INCREMENTAL:
        return False
    db.execute(f"PRAGMA incremental_vacuum({_STEP_PAGES:d})").fetchall()
    return int(db.pragma("freelist_count")) > _STEP_PAGES


_INCREMENTAL = 2
