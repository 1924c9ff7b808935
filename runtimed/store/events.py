"""Rows of events: the one order of all changes, and with it the outputs of executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.model.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import apsw

    #: Operations, each with its seq.
    Numbered = Iterator[tuple[int, dict[str, Any]]]


_decode_operation = msgspec.json.Decoder(dict[str, Any]).decode


#: About so many bytes of events are fetched at a time.
PAGE_BYTES = 1024 * 1024


class EventRow(msgspec.Struct):
    """A committed event. ``data`` is JSON text; `wire` is encoded once for all subscribers."""

    seq: int
    at_ms: int
    type: str
    runtime_id: str | None
    execution_id: str | None
    data: str
    notebook_id: str | None = None
    _wire: bytes | None = None

    def wire(self, epoch: str) -> bytes:
        """Return the event's members as JSON, less the opening brace (see `Event`)."""
        if self._wire is None:
            self._wire = (
                f'"seq":{self.seq},"cursor":"{epoch}.{self.seq}","at":"{rfc3339(self.at_ms)}",'
                f'"type":"{self.type}","runtime":{_quoted(self.runtime_id)},'
                f'"execution":{_quoted(self.execution_id)},'
                f'"notebook":{_encoded(self.notebook_id)},"data":{self.data}}}'
            ).encode()
        return self._wire


def _quoted(plain_id: str | None) -> str:
    return "null" if plain_id is None else f'"{plain_id}"'


def _encoded(text: str | None) -> str:
    """Encode a name that may be anything: applications name notebooks as they like."""
    return "null" if text is None else msgspec.json.encode(text).decode()


def insert(db: apsw.Connection, events: Iterable[EventRow]) -> None:
    """Store events; their seqs were given by the one writer."""
    db.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (e.seq, e.at_ms, e.type, e.runtime_id, e.execution_id, e.data, e.notebook_id)
            for e in events
        ),
    )


#: Events that have a whole document, of which only the newest keeps it.
DOCUMENTS = frozenset(("notebook", "cell"))


def supersede(db: apsw.Connection, rows: Sequence[EventRow]) -> None:
    """Take the document out of an event that each of these replaces.

    It stays as {id, index, superseded}: whoever comes later has the same order of cells at each
    step, and of each what it came to. Else a large cell is stored once more with every edit, and
    what was deleted in one can be read for ever.
    """
    for row in rows:
        if row.type not in DOCUMENTS:
            continue
        document = msgspec.json.decode(row.data, type=_Document)
        before = db.execute("SELECT seq FROM document_event WHERE document_id = ?", (document.id,))
        if (seq := before.get) is not None:
            db.execute(
                "UPDATE event SET data_json = json_patch(json_object('id', ?, 'superseded', "
                "json('true')), json_object('index', json_extract(data_json, '$.index'))) "
                "WHERE seq = ?",
                (document.id, seq),
            )
        if document.removed:
            db.execute("DELETE FROM document_event WHERE document_id = ?", (document.id,))
        else:
            db.execute(
                "INSERT OR REPLACE INTO document_event VALUES (?, ?)", (document.id, row.seq)
            )


class _Document(msgspec.Struct):
    id: str
    removed: bool = False


def forget_notebook(db: apsw.Connection, notebook_id: str) -> None:
    """Delete the events of a notebook and of its cells; those of what ran stay."""
    theirs = "SELECT seq FROM event WHERE notebook_id = ? AND type IN ('notebook', 'cell')"
    db.execute(f"DELETE FROM document_event WHERE seq IN ({theirs})", (notebook_id,))  # noqa: S608
    db.execute(f"DELETE FROM event WHERE seq IN ({theirs})", (notebook_id,))  # noqa: S608


def last_seq(db: apsw.Connection) -> int:
    """Return the seq of the newest event, 0 where there is none."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM event").get)


def after(
    db: apsw.Connection,
    seq: int,
    *,
    runtime_id: str | None = None,
    execution_id: str | None = None,
    notebook_id: str | None = None,
    types: Sequence[str] | None = None,
    until: int | None = None,
    limit: int = 500,
) -> tuple[list[EventRow], bool]:
    """Return the events after the seq that fit, oldest first, and whether these were all.

    There is at least one of them, if there is any, of whatever size; no more than about
    `PAGE_BYTES`. ``until`` is the last seq that is looked at.
    """
    conditions = ["seq > ?"]
    values: list[Any] = [seq]
    if until is not None:
        conditions.append("seq <= ?")
        values.append(until)
    if execution_id is not None:
        conditions.append("execution_id = ?")
        values.append(execution_id)
    if runtime_id is not None:
        conditions.append("runtime_id = ?")
        values.append(runtime_id)
    if notebook_id is not None:
        conditions.append("notebook_id = ?")
        values.append(notebook_id)
    if types is not None:
        conditions.append(f"type IN ({', '.join('?' * len(types))})")
        values += types
    sql = (
        "SELECT seq, at_ms, type, runtime_id, execution_id, data_json, notebook_id "  # noqa: S608
        f"FROM event WHERE {' AND '.join(conditions)} ORDER BY seq LIMIT ?"
    )
    found: list[EventRow] = []
    size_bytes = 0
    for row in db.execute(sql, (*values, limit)):
        found.append(event := EventRow(*row))
        size_bytes += len(event.data)
        if size_bytes >= PAGE_BYTES:
            return found, False
    return found, len(found) < limit


def output_bytes(db: apsw.Connection, execution_id: str) -> int:
    """Return about how much an execution has put out, by what is stored of it."""
    sql = (
        "SELECT (SELECT coalesce(sum(length(data_json)), 0) FROM event "
        "WHERE execution_id = ?1 AND type = 'output') + "
        "(SELECT coalesce(sum(size_bytes), 0) FROM blob "
        "WHERE sha256 IN (SELECT sha256 FROM blob_use WHERE owner = ?1))"
    )
    return int(db.execute(sql, (execution_id,)).get)


def operations(db: apsw.Connection, execution_id: str) -> Iterator[dict[str, Any]]:
    """Yield the output operations of an execution, in order."""
    sql = "SELECT data_json FROM event WHERE execution_id = ? AND type = 'output' ORDER BY seq"
    for (data,) in db.execute(sql, (execution_id,)):
        yield _decode_operation(data)


def numbered_operations(db: apsw.Connection, execution_id: str, since_seq: int = 0) -> Numbered:
    """Yield the output operations from a seq on, each with its own, in order."""
    sql = (
        "SELECT seq, data_json FROM event WHERE execution_id = ? AND type = 'output' "
        "AND seq >= ? ORDER BY seq"
    )
    for seq, data in db.execute(sql, (execution_id, since_seq)):
        yield seq, _decode_operation(data)


def few_operations(
    db: apsw.Connection, execution_id: str, *, limit: int = 100, max_bytes: int = 256 * 1024
) -> list[dict[str, Any]] | None:
    """Return an execution's output operations, or None if there is more than a little of them."""
    found: list[dict[str, Any]] = []
    size_bytes = 0
    sql = (  # a long one is not even read
        "SELECT octet_length(data_json), "
        "CASE WHEN octet_length(data_json) <= ?2 THEN data_json END "
        "FROM event WHERE execution_id = ?1 AND type = 'output' ORDER BY seq"
    )
    for bytes_, data in db.execute(sql, (execution_id, max_bytes)):
        size_bytes += bytes_
        if len(found) == limit or size_bytes > max_bytes:
            return None
        found.append(_decode_operation(data))
    return found
