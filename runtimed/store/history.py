"""What of executions is to be entered into the search index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.types import FINAL
from runtimed.model.recall import Searchable, searchable
from runtimed.store.events import few_operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

#: Of an execution with more output, as much is read from its beginning and from its end.
_END_BYTES = 128 * 1024
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def newest(db: apsw.Connection) -> int:
    """Return the number of the newest execution, 0 where there is none."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM execution").get)


def unentered(
    db: apsw.Connection, mark: int, unfinished: Sequence[int], *, limit: int, max_chars: int
) -> tuple[list[tuple[int, Searchable, bool]], int]:
    """Return what is to be entered next, and the mark after it.

    First those that have become final since they were entered (``unfinished``), then those after
    the mark: as many of them as the bounds allow, one at least.
    """
    entries: list[tuple[int, Searchable, bool]] = []
    chars = 0
    again = (
        "SELECT number, id, status, code FROM execution JOIN submission USING (number) "
        "WHERE number IN (SELECT value FROM json_each(?)) "
        "AND status NOT IN ('queued', 'running', 'waiting_input') LIMIT ?"
    )
    then = (
        "SELECT number, id, status, code FROM execution JOIN submission USING (number) "
        "WHERE number > ? ORDER BY number LIMIT ?"
    )
    listed = msgspec.json.encode(list(unfinished)).decode()
    for sql, bound in ((again, listed), (then, mark)):
        for number, execution_id, status, code in db.execute(sql, (bound, limit)):
            is_final = status in FINAL
            text = _text(db, str(execution_id), str(code)) if is_final else searchable(code, ())
            entries.append((int(number), text, is_final))
            mark = max(mark, int(number))
            chars += len(text.code) + len(text.error) + len(text.output)
            if len(entries) >= limit or chars >= max_chars:
                return entries, mark
    return entries, mark


def _text(db: apsw.Connection, execution_id: str, code: str) -> Searchable:
    operations = few_operations(db, execution_id)
    if operations is not None:
        return searchable(code, operations)
    first = _end_operations(db, execution_id, "ASC")
    return searchable(code, first, _end_operations(db, execution_id, "DESC")[::-1])


def _end_operations(db: apsw.Connection, execution_id: str, order: str) -> list[dict[str, Any]]:
    sql = (
        "SELECT data_json FROM event WHERE execution_id = ? AND type = 'output' "  # noqa: S608
        f"ORDER BY seq {order}"
    )
    found: list[dict[str, Any]] = []
    size_bytes = 0
    for (data,) in db.execute(sql, (execution_id,)):
        found.append(_decode(data))
        size_bytes += len(data)
        if size_bytes >= _END_BYTES:
            break
    return found
