"""Whether the database is sound, and what in it is of interest to who asks that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterable

#: SQLite asks whether to go on after so many steps of its virtual machine: some milliseconds.
_STEPS = 20_000
#: So many complaints are enough.
_COMPLAINTS = 20


def quick_check(db: apsw.Connection, limit_s: float) -> tuple[list[str], bool]:
    """Return what is wrong, and whether there was time to look at everything.

    https://www.sqlite.org/pragma.html#pragma_quick_check
    """
    deadline = time.monotonic() + limit_s
    db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        found = [str(row[0]) for row in db.execute(f"PRAGMA quick_check({_COMPLAINTS:d})")]
    except apsw.InterruptError:
        return [], False
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [str(error)], True
    finally:
        db.set_progress_handler(None)
    return ([] if found == ["ok"] else found), True


def newest_event_ms(db: apsw.Connection) -> int | None:
    """Return when the newest event was recorded."""
    found: int | None = db.execute("SELECT at_ms FROM event ORDER BY seq DESC LIMIT 1").get
    return found


def unlisted(db: apsw.Connection, runtime_ids: Iterable[str]) -> list[str]:
    """Return those ids that no runtime on the lists has."""
    sql = "SELECT 1 FROM runtime WHERE id = ? AND removed_ms IS NULL"
    return [id for id in runtime_ids if db.execute(sql, (id,)).get is None]


def tcp_kernels(db: apsw.Connection) -> list[tuple[str, int]]:
    """Return the kernelspecs that were found to need tcp, and when."""
    return list(db.execute("SELECT spec_path, noted_ms FROM tcp_kernel ORDER BY spec_path"))


def forget_tcp_kernels(db: apsw.Connection) -> list[tuple[str, int]]:
    """Forget them, and return them."""
    sql = "DELETE FROM tcp_kernel RETURNING spec_path, noted_ms"
    return sorted(db.execute(sql))
