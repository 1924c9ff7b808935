"""Which executions a list is of, read from indexes: numbers first, rows afterwards.

Every index ends with the number, so each of the queries here walks one index from its new end and
stops where it has enough (https://www.sqlite.org/queryplanner.html).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.types import FINAL
from runtimed.store.search import FEW, Meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import apsw

_OPEN = "status IN ('queued', 'running', 'waiting_input')"
_FINAL = "status NOT IN ('queued', 'running', 'waiting_input')"
#: Who asked for it, as the indexes have it.
_CLIENT = "json_extract(requested_by_json, '$.client')"
_AGENT = "json_extract(requested_by_json, '$.agent')"
#: Of the executions that are next to a moment in time, so many may have been submitted in another
#: order: by clients that raced, or around the moment in which somebody set the clock.
_JITTER = 1000


class Selection(msgspec.Struct, kw_only=True, frozen=True):
    """What a list is restricted to. ``before`` is an execution's id; ``foreign``: of others.

    ``by`` is a kind of client or an agent's name, ``runtimes`` are ids.
    """

    runtime_id: str | None = None
    runtimes: Sequence[str] | None = None
    by: str | None = None
    statuses: Sequence[str] | None = None
    cell: tuple[str, str] | None = None
    foreign: bool | None = None
    pinned: bool = False
    since_ms: int | None = None
    until_ms: int | None = None
    before: str | None = None

    @property
    def is_quick(self) -> bool:
        """Whether one index has exactly these, so that nothing is read that is not wanted."""
        wanted = (self.statuses, self.cell, self.foreign, self.since_ms, self.until_ms, self.by)
        given = sum(value is not None for value in wanted) + self.pinned
        if self.runtimes is not None:
            return False
        if self.runtime_id is not None and given:
            # The runtime's statuses have an index, and whose they are.
            return given == 1 and (self.statuses is not None or self.foreign is not None)
        return given <= 1

    @property
    def is_everything(self) -> bool:
        """Whether it restricts nothing but where to begin."""
        return msgspec.structs.replace(self, before=None) == Selection()

    def meant(self, db: apsw.Connection, *, most: int | None = None) -> Meant:
        """Return how the search index is told; ``most``: only so many of the newest."""
        low, high = self.bounds(db)
        bounds = (low, _AFTER_ALL if high is None else high)
        if self.is_everything and most is None:
            return Meant(bounds, None, None)
        numbers = self.numbers(db, most or FEW + 1)
        is_few = most is not None or len(numbers) <= FEW
        return Meant(bounds, numbers if is_few else None, lambda some: self.among(db, some))

    def numbers(self, db: apsw.Connection, limit: int) -> list[int]:
        """Return the numbers of the newest that are meant, newest first."""
        if not (self.runtimes is None or self.runtime_id in (None, *self.runtimes)):
            return []
        conditions, values = self._conditions(db)
        found = [
            self._walk(db, conditions + status + whose, (*values, *of_status, *of_whom), limit)
            for status, of_status in self._statuses()
            for whose, of_whom in self._whose()
        ]
        if len(found) == 1:
            return found[0]
        return list(heapq.merge(*found, reverse=True))[:limit]

    def _statuses(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the conditions on the status; each has an index."""
        if self.statuses is None:
            yield "", ()
            return
        wanted = set(self.statuses)
        if opened := tuple(sorted(wanted - FINAL)):
            yield f" AND {_OPEN} AND status IN ({', '.join('?' * len(opened))})", opened
        for status in sorted(wanted & FINAL):
            yield f" AND {_FINAL} AND status = ?", (status,)
        if not wanted:
            yield " AND 0", ()

    def _whose(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the conditions on who asked; each has an index, and no two have the same."""
        if self.by is None:
            yield "", ()
            return
        yield f" AND {_CLIENT} = ?", (self.by,)
        yield f" AND {_AGENT} = ? AND {_CLIENT} <> ?", (self.by, self.by)

    def _walk(
        self, db: apsw.Connection, conditions: str, values: Sequence[Any], limit: int
    ) -> list[int]:
        """Return the newest numbers of which the conditions hold, newest first."""
        # Those that are open are few: to sort them is nothing, to look for them in all is.
        index = " INDEXED BY execution_open" if _OPEN in conditions else ""
        source = f"SELECT number FROM execution{index}"  # noqa: S608
        if self.runtimes is not None and self.runtime_id is None:
            return self._walk_runtimes(db, source, conditions, values, limit)
        sql = f"{source} WHERE {conditions} ORDER BY number DESC LIMIT ?"
        return [int(str(row[0])) for row in db.execute(sql, (*values, limit))]

    def _walk_runtimes(
        self,
        db: apsw.Connection,
        source: str,
        conditions: str,
        values: Sequence[Any],
        limit: int,
    ) -> list[int]:
        """Do the same for many runtimes, each by its own index.

        First the newest of each: of what is older than the oldest of those that are found already,
        nothing is read.
        """
        newest_sql = (
            f"SELECT value, ({source} WHERE runtime_id = value AND {conditions} "  # noqa: S608
            "ORDER BY number DESC LIMIT 1) FROM json_each(?)"
        )
        listed = msgspec.json.encode(sorted(set(self.runtimes or ()))).decode()
        newest = [
            (int(str(number)), str(runtime_id))
            for runtime_id, number in db.execute(newest_sql, (*values, listed))
            if number is not None
        ]
        sql = (
            f"{source} WHERE runtime_id = ? AND number >= ? AND {conditions} "
            "ORDER BY number DESC LIMIT ?"
        )
        found: list[int] = []
        low = 0
        for number, runtime_id in sorted(newest, reverse=True):
            if number < low:
                break
            found += (int(str(n)) for (n,) in db.execute(sql, (runtime_id, low, *values, limit)))
            if len(found) >= limit:
                found = sorted(found, reverse=True)[:limit]
                low = found[-1]
        return sorted(found, reverse=True)

    def _conditions(self, db: apsw.Connection) -> tuple[str, list[Any]]:
        conditions: list[str] = ["1"]
        values: list[Any] = []

        def add(condition: str, *bound: Any) -> None:
            conditions.append(condition)
            values.extend(bound)

        if self.runtime_id is not None:
            add("runtime_id = ?", self.runtime_id)
        if self.foreign is not None and self.runtime_id is not None:
            add("origin IS NOT NULL" if self.foreign else "origin IS NULL")
        elif self.foreign is not None:
            add("(origin IS NULL) = ?", int(not self.foreign))
        if self.cell is not None:
            add("cell_notebook = ? AND cell_id = ?", *self.cell)
        if self.pinned:
            add("pinned_ms IS NOT NULL")
        low, high = self.bounds(db)
        if self.since_ms is not None:
            add("number >= ? AND +queued_ms >= ?", low, self.since_ms)
        if self.until_ms is not None:
            add("+queued_ms < ?", self.until_ms)
        if high is not None:
            add("number < ?", high)
        return " AND ".join(conditions), values

    def bounds(self, db: apsw.Connection) -> tuple[int, int | None]:
        """Return the lowest number, and the one after the highest, that times and before allow."""
        low, high = 0, None
        if self.since_ms is not None:
            sql = (
                "SELECT min(number) FROM (SELECT number FROM execution "
                "WHERE queued_ms >= ? ORDER BY queued_ms LIMIT ?)"
            )
            first = db.execute(sql, (self.since_ms, _JITTER)).get
            low = _AFTER_ALL if first is None else int(first)
        if self.until_ms is not None:
            sql = (
                "SELECT max(number) FROM (SELECT number FROM execution "
                "WHERE queued_ms < ? ORDER BY queued_ms DESC LIMIT ?)"
            )
            last = db.execute(sql, (self.until_ms, _JITTER)).get
            high = 0 if last is None else int(last) + 1
        if self.before is not None:
            own = db.execute("SELECT number FROM execution WHERE id = ?", (self.before,)).get
            own = 0 if own is None else int(own)
            high = own if high is None else min(high, own)
        return low, high

    def among(self, db: apsw.Connection, numbers: Sequence[int]) -> list[int]:
        """Return those of the numbers that are meant, in their order."""
        conditions, values = self._conditions(db)
        if self.statuses is not None:
            conditions += f" AND status IN ({', '.join('?' * len(self.statuses))})"
            values += self.statuses
        if self.by is not None:
            conditions += f" AND ({_CLIENT} = ? OR {_AGENT} = ?)"
            values += (self.by, self.by)
        if self.runtimes is not None:
            conditions += " AND runtime_id IN (SELECT value FROM json_each(?))"
            values.append(msgspec.json.encode(list(self.runtimes)).decode())
        sql = (
            "SELECT number FROM execution "  # noqa: S608
            f"WHERE number IN (SELECT value FROM json_each(?)) AND {conditions}"
        )
        listed = msgspec.json.encode(list(numbers)).decode()
        meant = {int(str(row[0])) for row in db.execute(sql, (listed, *values))}
        return [number for number in numbers if number in meant]


_AFTER_ALL = 2**62
