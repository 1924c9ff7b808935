"""Rows of runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw


class RuntimeRow(msgspec.Struct, kw_only=True):
    """A runtime as it is stored. The actor of a living one holds and changes it.

    ``environment_key`` tells two Pythons apart; ``implicit`` is set where an evaluation started
    it by itself. ``launch`` is what a restart needs: no environment values. ``owner`` is who
    started an adopted one, ``record`` what is kept of the executions of others. ``started_by`` is
    who asked for it ({client, pid, agent}); agents see it where that was them, or it is ``shared``.
    """

    id: str
    name: str
    kernel_name: str
    language: str | None
    origin: str
    status: str
    incarnation: int
    pid: int | None
    start_time: int | None
    boot_id: str | None
    connection_file: str
    transport: str
    ip: str | None
    private: bool
    environment: str | None
    environment_key: str
    project: str | None
    implicit: bool
    cwd: str
    idle_stop_s: float | None
    created_ms: int
    ended_ms: int | None
    exit: dict[str, Any] | None
    notices: list[str]
    launch: dict[str, Any]
    journal_offset: int
    removed_ms: int | None
    owner: dict[str, Any] | None = None
    record: str = "all"
    started_by: dict[str, Any] | None = None
    shared: bool = False


_COLUMNS = (
    "id",
    "name",
    "kernel_name",
    "language",
    "origin",
    "status",
    "incarnation",
    "pid",
    "start_time",
    "boot_id",
    "connection_file",
    "transport",
    "ip",
    "private",
    "environment",
    "environment_key",
    "project",
    "implicit",
    "cwd",
    "idle_stop_s",
    "created_ms",
    "ended_ms",
    "exit_json",
    "notices_json",
    "launch_json",
    "journal_offset",
    "removed_ms",
    "owner_json",
    "record",
    "started_by_json",
    "shared",
)
_LIST = ", ".join(_COLUMNS)
#: Not written by who saves a runtime: the offset goes with what was taken in, see `save_offset`.
_KEPT = ("id", "journal_offset")
_SAVE = (
    f"INSERT INTO runtime ({_LIST}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEPT)
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def save(db: apsw.Connection, row: RuntimeRow) -> None:
    """Insert or replace the runtime."""
    db.execute(
        _SAVE,
        (
            row.id,
            row.name,
            row.kernel_name,
            row.language,
            row.origin,
            row.status,
            row.incarnation,
            row.pid,
            row.start_time,
            row.boot_id,
            row.connection_file,
            row.transport,
            row.ip,
            int(row.private),
            row.environment,
            row.environment_key,
            row.project,
            int(row.implicit),
            row.cwd,
            row.idle_stop_s,
            row.created_ms,
            row.ended_ms,
            None if row.exit is None else _encode(row.exit).decode(),
            _encode(row.notices).decode(),
            _encode(row.launch).decode(),
            row.journal_offset,
            row.removed_ms,
            None if row.owner is None else _encode(row.owner).decode(),
            row.record,
            None if row.started_by is None else _encode(row.started_by).decode(),
            int(row.shared),
        ),
    )


def save_offset(db: apsw.Connection, runtime_id: str, offset: int) -> None:
    """Note how far the runtime's journal has been taken in."""
    db.execute("UPDATE runtime SET journal_offset = ? WHERE id = ?", (offset, runtime_id))


def get(db: apsw.Connection, runtime_id: str) -> RuntimeRow | None:
    """Return the runtime of this id."""
    for row in db.execute(f"SELECT {_LIST} FROM runtime WHERE id = ?", (runtime_id,)):  # noqa: S608
        return _row(row)
    return None


def unfinished(db: apsw.Connection) -> list[RuntimeRow]:
    """Return the runtimes that were not seen to end, or whose executions were not."""
    sql = (
        f"SELECT {_LIST} FROM runtime WHERE removed_ms IS NULL AND (status <> 'dead' OR id IN "  # noqa: S608
        "(SELECT runtime_id FROM execution "
        "WHERE status IN ('queued', 'running', 'waiting_input'))) ORDER BY id"
    )
    return _rows(db.execute(sql))


def listed(db: apsw.Connection) -> list[RuntimeRow]:
    """Return the runtimes that have not been removed, oldest first."""
    return _rows(
        db.execute(f"SELECT {_LIST} FROM runtime WHERE removed_ms IS NULL ORDER BY id")  # noqa: S608
    )


def removed(db: apsw.Connection) -> list[RuntimeRow]:
    """Return the runtimes that have been taken off the lists, oldest first."""
    return _rows(
        db.execute(f"SELECT {_LIST} FROM runtime WHERE removed_ms IS NOT NULL ORDER BY id")  # noqa: S608
    )


def note_tcp(db: apsw.Connection, spec_path: str, version: str, now_ms: int) -> None:
    """Remember that this kernelspec, as it is now, needs tcp."""
    db.execute(
        "INSERT INTO tcp_kernel VALUES (?, ?, ?) ON CONFLICT (spec_path) "
        "DO UPDATE SET version = excluded.version, noted_ms = excluded.noted_ms",
        (spec_path, version, now_ms),
    )


def needs_tcp(db: apsw.Connection, spec_path: str, version: str) -> bool:
    """Say whether this kernelspec, unchanged since, was found to need tcp."""
    sql = "SELECT 1 FROM tcp_kernel WHERE spec_path = ? AND version = ?"
    return db.execute(sql, (spec_path, version)).get is not None


def record_rules(db: apsw.Connection) -> dict[str, str]:
    """Return what is kept of the executions of others, by directory."""
    return dict(db.execute("SELECT directory, record FROM record_rule"))


def set_record_rule(db: apsw.Connection, directory: str, record: str) -> None:
    """Say what is kept of the executions of others in kernels that work in the directory."""
    db.execute(
        "INSERT INTO record_rule VALUES (?, ?) "
        "ON CONFLICT (directory) DO UPDATE SET record = excluded.record",
        (directory, record),
    )


def _rows(rows: Iterable[tuple[Any, ...]]) -> list[RuntimeRow]:
    return [_row(row) for row in rows]


def _row(values: tuple[Any, ...]) -> RuntimeRow:
    found = dict(zip(_COLUMNS, values, strict=True))
    for name in ("exit", "owner", "started_by"):
        text = found.pop(f"{name}_json")
        found[name] = None if text is None else _decode(text)
    return RuntimeRow(
        notices=_decode(found.pop("notices_json")),
        launch=_decode(found.pop("launch_json")),
        private=bool(found.pop("private")),
        implicit=bool(found.pop("implicit")),
        shared=bool(found.pop("shared")),
        **found,
    )
