"""Which runtime, and which execution, a caller means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.errors import (
    AmbiguousReference,
    ExecutionNotFound,
    InvalidParams,
    RuntimeNotFound,
)
from runtimed.kernels.naming import names_of
from runtimed.model.ids import is_short, is_ulid, short
from runtimed.store import executions, runtimes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.service.context import Context
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow


def find_runtime(
    context: Context, reference: str, *, exact: bool = False, destroys: bool = False
) -> RuntimeRow:
    """Return the runtime meant: by id, short id, name, pid, kernel id, connection file or prefix.

    With ``exact`` no prefix will do: something is going to be ended. A living runtime goes
    before dead ones; of dead ones of one name the youngest that has lived is meant, else the
    youngest. With ``destroys`` none of several dead ones is: what goes does not come back.
    Raises `RuntimeNotFound` or `AmbiguousReference`.
    """
    return _find(context.supervisor.rows, reference, exact=exact, destroys=destroys)


def find_recorded(
    context: Context, reference: str, *, exact: bool = False, destroys: bool = False
) -> RuntimeRow:
    """Return the runtime meant, of those on the lists, else of those that were taken off them.

    What ran in them is on the record still. Raises `RuntimeNotFound` or `AmbiguousReference`.
    """
    try:
        return find_runtime(context, reference, exact=exact, destroys=destroys)
    except RuntimeNotFound:
        removed = {row.id: row for row in context.store.read(runtimes.removed)}
        return _find(removed, reference, exact=exact, destroys=destroys)


def _find(
    rows: Mapping[str, RuntimeRow], reference: str, *, exact: bool, destroys: bool
) -> RuntimeRow:
    if (row := rows.get(reference.upper())) is not None:
        return row
    found = [row for row in rows.values() if reference in names_of(row)]
    if not found and not exact:
        found = [row for row in rows.values() if _begins(row, reference)]
    living = [row for row in found if row.status != "dead"]
    meant = living or (found if destroys else _latest(found))
    if not meant:
        raise RuntimeNotFound(runtime=reference)
    if len(meant) > 1:
        raise AmbiguousReference(reference=reference, candidates=_described(meant))
    return meant[0]


def _latest(rows: list[RuntimeRow]) -> list[RuntimeRow]:
    """Return of each name the runtime that is meant, where all are dead."""
    latest: dict[str, RuntimeRow] = {}
    for row in sorted(rows, key=lambda row: (_has_lived(row), row.created_ms, row.id)):
        latest[row.name] = row
    return list(latest.values())


def _has_lived(row: RuntimeRow) -> bool:
    return (row.exit or {}).get("reason") != "not_started"


def _begins(row: RuntimeRow, prefix: str) -> bool:
    return short(row.id).startswith(prefix.lower()) or row.name.startswith(prefix)


def _described(rows: list[RuntimeRow]) -> list[str]:
    return [f"{short(row.id)} ({row.name}, {row.status})" for row in rows]


def find_execution(context: Context, reference: str) -> ExecutionRow:
    """Return the execution meant, by its id or the last 8 characters of it.

    The row of an open execution is the one that its actor holds. Raises `ExecutionNotFound` or
    `AmbiguousReference`.
    """
    execution_id = reference.upper()
    if not is_ulid(execution_id):
        ids = context.store.read(executions.ids_ending_in, reference) if len(reference) == 8 else []
        if len(ids) > 1:
            raise AmbiguousReference(reference=reference, candidates=ids)
        if not ids:
            raise ExecutionNotFound(execution=reference)
        execution_id = ids[0]
    row = open_execution(context, execution_id)
    row = row or context.store.read(executions.get, execution_id)
    if row is None:
        raise ExecutionNotFound(execution=reference)
    return row


def before_execution(context: Context, reference: str) -> str:
    """Return the id of the execution that a list goes on after.

    Raises `InvalidParams` for what is no id, and what `find_execution` does.
    """
    check_id(reference, "before")
    return find_execution(context, reference).id


def check_id(reference: str, field: str) -> None:
    """Raise `InvalidParams` for what is neither a whole id nor a short one."""
    if not is_ulid(reference.upper()) and not is_short(reference):
        raise InvalidParams(detail=f"{reference[:100]!r} is no id - at `$.{field}`")


def open_execution(context: Context, execution_id: str) -> ExecutionRow | None:
    """Return an execution that is not final, as its actor holds it."""
    for actor in context.supervisor.actors.values():
        if (row := actor.state.open_execution(execution_id)) is not None:
            return row
    return None
