"""Rows of executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.model.execution import Progress
from runtimed.model.ids import message_id
from runtimed.store.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw


class ExecutionRow(msgspec.Struct, kw_only=True):
    """An execution as it is stored. The actor of its runtime holds it until it is final.

    ``origin`` is "<session>/<msg_id>" of one that another client requested. ``pinned_ms`` and
    ``outputs_removed`` ({at_ms, reason, size_bytes}) are written by `pin` and by retention only.
    ``exceeded`` says which of its runtime's limits it has exceeded ({time, output}: a sentence
    each), and whether nobody is made to wait for it any longer (left_running).
    """

    id: str
    runtime_id: str
    code: str
    queued_ms: int
    requested_by: dict[str, Any]
    incarnation: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    execution_count: int | None = None
    cell_notebook: str | None = None
    cell_id: str | None = None
    group: str | None = None
    stop_on_error: bool = True
    carry_over: bool = False
    stdin: str | None = None
    argv: list[str] | None = None
    input: dict[str, Any] | None = None
    gap: dict[str, Any] | None = None
    progress: Progress = Progress()
    origin: str | None = None
    pinned_ms: int | None = None
    outputs_removed: dict[str, Any] | None = None
    exceeded: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        return self.progress.status

    @property
    def reason(self) -> str | None:
        """Why it is as it is, in words, where that is not its code's doing."""
        if self.progress.reason is not None or self.exceeded is None:
            return self.progress.reason
        said = (self.exceeded.get("time"), self.exceeded.get("output"))
        return "; ".join(filter(None, said)) or None

    def next_line(self) -> tuple[str | None, int]:
        """Return the next line of its own stdin, None at the end, and where that line ends."""
        stdin, begin = self.stdin or "", self.progress.fed_chars
        if begin >= len(stdin):
            return None, begin
        end = stdin.find("\n", begin)
        return (stdin[begin:], len(stdin)) if end < 0 else (stdin[begin:end], end + 1)

    @property
    def msg_id(self) -> str:
        """The msg_id of the request that the kernel has, or will have."""
        if self.origin is not None:
            return self.origin[len(self.requested_by["session"]) + 1 :]
        return message_id(self.id, self.progress.attempt)


_COLUMNS = (
    "id",
    "runtime_id",
    "incarnation",
    "status",
    "queued_ms",
    "started_ms",
    "ended_ms",
    "execution_count",
    "requested_by_json",
    "cell_notebook",
    "cell_id",
    "group_name",
    "stop_on_error",
    "carry_over",
    "input_json",
    "gap_json",
    "reason",
    "progress_json",
    "origin",
)
#: The last number that was given, though what had it may be forgotten.
_LAST = (
    "SELECT max(coalesce((SELECT max(number) FROM execution), 0), coalesce("
    "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'execution.number'), 0))"
)
_INSERT = (
    f"INSERT INTO execution (number, {', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES (({_LAST}) + 1, {', '.join('?' * len(_COLUMNS))}) RETURNING number"
)
_READ = (
    *(*_COLUMNS, "pinned_ms", "outputs_removed_json", "exceeded_json"),
    *("code", "stdin", "argv_json"),
)
_SELECT = (
    f"SELECT {', '.join(_READ)} "  # noqa: S608
    "FROM execution JOIN submission USING (number)"
)
_UPDATE = (
    "UPDATE execution SET incarnation = ?, status = ?, started_ms = ?, ended_ms = ?, "
    "execution_count = ?, input_json = ?, gap_json = ?, reason = ?, "
    "progress_json = ?, exceeded_json = ? WHERE id = ?"
)
_FORGET_STDIN = (
    "UPDATE submission SET stdin = NULL WHERE number = (SELECT number FROM execution WHERE id = ?)"
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_progress = msgspec.json.Decoder(Progress).decode


def _json(value: object) -> str | None:
    return None if value is None else _encode(value).decode()


def insert(db: apsw.Connection, row: ExecutionRow) -> None:
    """Store a new execution."""
    number = db.execute(
        _INSERT,
        (
            row.id,
            row.runtime_id,
            row.incarnation,
            row.status,
            row.queued_ms,
            row.started_ms,
            row.ended_ms,
            row.execution_count,
            _json(row.requested_by),
            row.cell_notebook,
            row.cell_id,
            row.group,
            int(row.stop_on_error),
            int(row.carry_over),
            _json(row.input),
            _json(row.gap),
            row.progress.reason,
            _json(row.progress),
            row.origin,
        ),
    ).get
    db.execute(
        "INSERT INTO submission VALUES (?, ?, ?, ?)",
        (number, row.code, row.stdin, _json(row.argv)),
    )


def update(db: apsw.Connection, row: ExecutionRow) -> None:
    """Store what may change of an execution; its stdin goes once it is final."""
    db.execute(
        _UPDATE,
        (
            row.incarnation,
            row.status,
            row.started_ms,
            row.ended_ms,
            row.execution_count,
            _json(row.input),
            _json(row.gap),
            row.reason,
            _json(row.progress),
            _json(row.exceeded),
            row.id,
        ),
    )
    if row.stdin is not None and row.progress.is_final:
        db.execute(_FORGET_STDIN, (row.id,))


def last_number(db: apsw.Connection) -> int:
    """Return the last number that was given: none is given twice, whatever is forgotten."""
    return int(db.execute(_LAST).get)


def get(db: apsw.Connection, execution_id: str) -> ExecutionRow | None:
    """Return the execution of this id."""
    for row in db.execute(f"{_SELECT} WHERE id = ?", (execution_id,)):
        return _row(row)
    return None


def id_of_origin(db: apsw.Connection, runtime_id: str, origin: str) -> str | None:
    """Return the id of what another client requested under this session and msg_id."""
    sql = "SELECT id FROM execution WHERE runtime_id = ? AND origin = ?"
    found: str | None = db.execute(sql, (runtime_id, origin)).get
    return found


def notebook_of(db: apsw.Connection, execution_id: str) -> str | None:
    """Return the notebook whose cell the execution ran, if it ran one."""
    sql = "SELECT cell_notebook FROM execution WHERE id = ?"
    found: str | None = db.execute(sql, (execution_id,)).get
    return found


def of_group(db: apsw.Connection, notebook: str, group: str) -> list[ExecutionRow]:
    """Return what was submitted for a notebook's cells under this group, in that order."""
    where = "WHERE cell_notebook = ? AND cell_id IS NOT NULL AND group_name = ? ORDER BY number"
    return [_row(row) for row in db.execute(f"{_SELECT} {where}", (notebook, group))]


def has_foreign(db: apsw.Connection, runtime_id: str) -> bool:
    """Say whether something that another client requested of this runtime is recorded."""
    sql = "SELECT EXISTS (SELECT 1 FROM execution WHERE runtime_id = ? AND origin IS NOT NULL)"
    return bool(db.execute(sql, (runtime_id,)).get)


def ids_ending_in(db: apsw.Connection, short_id: str) -> list[str]:
    """Return the ids whose short form this is."""
    sql = "SELECT id FROM execution WHERE substr(id, -8) = ?"
    return [str(row[0]) for row in db.execute(sql, (short_id.upper(),))]


def open_of(db: apsw.Connection, runtime_id: str) -> list[ExecutionRow]:
    """Return the runtime's executions that are not final, oldest first."""
    sql = (
        f"{_SELECT} WHERE runtime_id = ? "
        "AND status IN ('queued', 'running', 'waiting_input') ORDER BY number"
    )
    return [_row(row) for row in db.execute(sql, (runtime_id,))]


def listed(
    db: apsw.Connection,
    *,
    runtime_id: str | None = None,
    statuses: Sequence[str] | None = None,
    cell: tuple[str, str] | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[ExecutionRow]:
    """Return executions, newest first."""
    selection = Selection(runtime_id=runtime_id, statuses=statuses, cell=cell, before=before)
    return selected(db, selection, limit)


def selected(db: apsw.Connection, selection: Selection, limit: int) -> list[ExecutionRow]:
    """Return the newest of a selection, newest first."""
    return numbered(db, selection.numbers(db, limit))


def numbered(db: apsw.Connection, numbers: Sequence[int]) -> list[ExecutionRow]:
    """Return the executions of these numbers, newest first."""
    sql = f"{_SELECT} WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number DESC"  # noqa: S608
    return [_row(row) for row in db.execute(sql, (_encode(list(numbers)).decode(),))]


def times(db: apsw.Connection, numbers: Sequence[int]) -> dict[int, int]:
    """Return when executions were submitted, by their numbers: those that there are."""
    sql = "SELECT number, queued_ms FROM execution WHERE number IN (SELECT value FROM json_each(?))"
    rows = db.execute(sql, (_encode(list(numbers)).decode(),))
    return {int(str(number)): int(str(at_ms)) for number, at_ms in rows}


def pin(db: apsw.Connection, execution_id: str, pinned_ms: int | None) -> None:
    """Pin an execution, or with None let go of it."""
    db.execute("UPDATE execution SET pinned_ms = ? WHERE id = ?", (pinned_ms, execution_id))


def counts(db: apsw.Connection) -> dict[str, int]:
    """Return how many executions there are of each status that is not final, and in all."""
    sql = (
        "SELECT status, count(*) FROM execution "
        "WHERE status IN ('queued', 'running', 'waiting_input') GROUP BY status"
    )
    found = {str(status): int(count) for status, count in db.execute(sql)}
    found["total"] = int(db.execute("SELECT count(*) FROM execution").get)
    return found


def note_display(db: apsw.Connection, runtime_id: str, display_id: str, execution_id: str) -> None:
    """Note that the execution shows an output under the display_id."""
    db.execute(
        "INSERT OR IGNORE INTO display VALUES (?, ?, ?)", (runtime_id, display_id, execution_id)
    )


def showing(db: apsw.Connection, runtime_id: str, display_id: str) -> list[str]:
    """Return the executions that show an output under the display_id."""
    sql = "SELECT execution_id FROM display WHERE runtime_id = ? AND display_id = ?"
    return [str(row[0]) for row in db.execute(sql, (runtime_id, display_id))]


def forget_displays(db: apsw.Connection, runtime_id: str) -> None:
    """Forget the display_ids of a kernel that has ended."""
    db.execute("DELETE FROM display WHERE runtime_id = ?", (runtime_id,))


def _row(values: tuple[Any, ...]) -> ExecutionRow:
    found = dict(zip(_READ, values, strict=True))
    for name in ("status", "reason"):
        del found[name]
    for name in ("requested_by", "argv", "input", "gap", "outputs_removed", "exceeded"):
        text = found.pop(f"{name}_json")
        found[name] = None if text is None else _decode(text)
    return ExecutionRow(
        progress=_decode_progress(found.pop("progress_json")),
        group=found.pop("group_name"),
        stop_on_error=bool(found.pop("stop_on_error")),
        carry_over=bool(found.pop("carry_over")),
        **found,
    )
