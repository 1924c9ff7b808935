"""The database and what lies beside it, by ourselves where no daemon could be asked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import runtimed
from runt.doctor.examination import Examination, Unanswered
from runt.doctor.finding import Finding, counted, some
from runt.render import home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.paths import State

#: How long the database may be looked at.
CHECK_S = 10.0
_STEPS = 20_000
#: The first SQLite that knows STRICT tables.
_LEAST_SQLITE = (3, 37)
#: A file that is being written is not so old.
_LEFT_S = 3_600
_SALVAGE = "move it away, and the next daemon begins a new one; the old one stays readable"


@contextlib.contextmanager
def opened(state: State) -> Iterator[sqlite3.Connection | None]:
    """Open the database for reading; None if there is none. Raises `sqlite3.Error`."""
    if not os.path.exists(state.database):
        yield None
        return
    uri = f"file:{quote(os.fsencode(state.database))}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as db:
        yield db


def newest_event_at(state: State) -> str | None:
    """Return when the newest event was recorded; None if that cannot be read."""
    try:
        with opened(state) as db:
            row = db and db.execute("SELECT at_ms FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return None  # said by `database`
    return datetime.fromtimestamp(row[0] / 1000, UTC).isoformat() if row else None


def executions(state: State) -> dict[str, int]:
    """Return how many executions have each status. Raises `sqlite3.Error`."""
    with opened(state) as db:
        if db is None:
            return {}
        return dict(db.execute("SELECT status, count(*) FROM execution GROUP BY status"))


def database(e: Examination) -> Iterator[Finding]:
    """Look for damage: by the daemon, else by reading the file."""
    check, path = "database", e.instance.state.database
    try:
        report = e.report
    except Unanswered:
        yield _by_ourselves(e.instance.state)
        return
    if report["database"]:
        yield _damaged(path, report["database"])
    elif (problem := e.ask("daemon.status", {})["store"]) != "ok":
        text = f"the daemon could not write to it lately: {problem}"
        yield Finding(check, "problem", text, "is the disk full, or read-only?")
    else:
        yield _sound(path, is_whole=report["database_is_checked"])


def search_index(e: Examination) -> Iterator[Finding]:
    """Ask the daemon whether its index can be used."""
    try:
        problem = e.ask("daemon.status", {}).get("search", "ok")
    except Unanswered:
        return
    if problem == "ok":
        yield Finding("search-index", "ok", "it can be read and written")
    else:
        text = f"nothing new is found by `runt search`: {problem}"
        remedy = "a file that is damaged or in the way may be removed: it is made anew"
        yield Finding("search-index", "problem", text, remedy)


def _by_ourselves(state: State) -> Finding:
    check, path = "database", state.database
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        return Finding(check, "unknown", f"SQLite {sqlite3.sqlite_version} cannot read it")
    deadline = time.monotonic() + CHECK_S
    try:
        with opened(state) as db:
            if db is None:
                return Finding(check, "ok", f"{home(path)} is not there yet")
            newest, known = db.execute("PRAGMA user_version").fetchone()[0], _known_schema()
            if newest > known:
                text = f"it is of a newer version (schema {newest}) than this one ({known})"
                return Finding(check, "problem", text, "upgrade runtimed-daemon")
            db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            complaints = [row[0] for row in db.execute("PRAGMA quick_check(20)")]
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return _sound(path, is_whole=False)
        return Finding(check, "problem", f"{home(path)} cannot be read: {error}", _SALVAGE)
    except sqlite3.DatabaseError as error:
        return _damaged(path, [str(error)])
    return _sound(path, is_whole=True) if complaints == ["ok"] else _damaged(path, complaints)


def _known_schema() -> int:
    folder = Path(runtimed.__file__).parent / "store" / "migrations"
    return max((int(file.name.partition("_")[0]) for file in folder.glob("*.sql")), default=0)


def _damaged(path: str, complaints: list[str]) -> Finding:
    text = f"{home(path)} is damaged: {complaints[0]}"
    return Finding("database", "problem", text, _SALVAGE, {"names": complaints})


def _sound(path: str, *, is_whole: bool) -> Finding:
    far = "" if is_whole else f", as far as {CHECK_S:.0f} s went"
    return Finding("database", "ok", f"{home(path)} is sound{far}")


def journals(e: Examination) -> Iterator[Finding]:
    """Look for journals of runtimes that are on no list."""
    strange = e.report["strange_journals"]
    if strange:
        yield Finding(
            "journals",
            "note",
            f"{counted(len(strange), 'journal')} of runtimes that are on no list in "
            f"{home(e.instance.state.journals)}",
            "they are all that is left of those; delete them if nothing is missed",
            {"names": strange},
        )
    else:
        yield Finding("journals", "ok", "each journal has its runtime")


def left_files(e: Examination) -> Iterator[Finding]:
    """Look for files that a crash has kept from being finished, or removed."""
    check = "left-files"
    left = sorted([*_unfinished(e.instance.state), *_orphaned(e)])

    def remove() -> str:
        for path in left:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return f"{counted(len(left), 'file')} that a crash had left behind {_went(len(left))}"

    if left:
        text = f"a crash has left {counted(len(left), 'file')} behind that nobody needs"
        yield Finding(check, "problem", text, f"rm {some(left)}", {"names": left}, remove)
    else:
        yield Finding(check, "ok", "nothing was left behind by a crash")


def _went(number: int) -> str:
    return "was removed" if number == 1 else "were removed"


def _unfinished(state: State) -> Iterator[str]:
    # Blobs are written under a temporary name first (runtimed/store/blobs.py).
    return (path for path in _old_files(state.blobs) if os.path.basename(path).startswith("tmp"))


def _orphaned(e: Examination) -> Iterator[str]:
    """Find what kernels wrote to stdout and stderr that were taken off the lists.

    Where a journal is left, it may be the list that is lost: nothing of that kernel is touched.
    """
    state = e.instance.state
    try:
        listed = {runtime["id"] for runtime in e.runtimes}
    except Unanswered:
        return
    for path in _old_files(state.kernels):
        id, suffix = os.path.splitext(os.path.basename(path))
        if suffix in (".out", ".err") and id not in listed:
            if not os.path.lexists(state.journal(id)):
                yield path


def _old_files(directory: str) -> Iterator[str]:
    """Return the files that nobody has written to lately."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        if time.time() - entry.stat().st_mtime > _LEFT_S:
                            yield entry.path
    except (FileNotFoundError, NotADirectoryError):
        return
