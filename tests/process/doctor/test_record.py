"""`runt doctor` on the record: a damaged database, journals, and what a crash has left."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process.doctor.findings import execute

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State
    from tests.process.doctor.conftest import Doctor


def test_a_damaged_database_is_told_without_a_daemon(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    daemon.stop()
    _damage(Path(state.files.database))
    found = doctor("--fix")
    assert found.status("database") == "problem"
    assert "damaged" in found.text("database")
    Path(state.files.database).unlink()


def test_a_damaged_database_is_told_by_the_daemon(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    daemon.stop()
    _damage(Path(state.files.database), of_table="blob")
    daemon.start()
    assert doctor().status("database") == "problem"


def _damage(path: Path, of_table: str = "event") -> None:
    """Overwrite the page on which a table begins."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (of_table,)
        ).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def test_a_database_of_a_newer_version_is_told(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    daemon.stop()
    execute(state, "PRAGMA user_version = 999")
    found = doctor()
    assert found.status("database") == "problem"
    assert "999" in found.text("database")


@pytest.mark.parametrize("runs", [True, False])
def test_a_record_of_the_future_means_a_clock_that_was_set_back(
    daemon: Daemon, state: State, doctor: Doctor, runs: bool
) -> None:
    assert doctor().status("clock") == "ok"
    daemon.stop()
    at_ms = int((time.time() + 86_400) * 1000)
    execute(state, "INSERT INTO event (at_ms, type, data_json) VALUES (?, 'runtime', '{}')", at_ms)
    if runs:
        daemon.start()
    assert doctor().status("clock") == "problem"


def test_a_journal_without_a_runtime_is_a_note_and_stays(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    strange = Path(state.files.journal("01J8ZQ4X8Y6D7N5K3M2P1R0S9T"))
    strange.mkdir()
    found = doctor("--fix")
    assert found.status("journals") == "note"
    assert found.worst("journals")["data"]["names"] == [str(strange)]
    assert strange.is_dir()


def test_what_a_crash_has_left_is_removed_once_it_is_old(
    daemon: Daemon, state: State, doctor: Doctor
) -> None:
    blobs, kernels = Path(state.files.blobs), Path(state.files.kernels)
    listed = daemon.call("runtime.start", kernel_name="python3")["id"]
    recorded = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T"
    Path(state.files.journal(recorded)).mkdir()
    doomed = [blobs / "tmpold", kernels / "01J8ZQ4X8Y6D7N5K3M2P1R0S9V.err"]
    kept = [kernels / f"{listed}.err", kernels / f"{recorded}.out", blobs / "other"]
    for path in (*doomed, *kept):
        path.touch()
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    fresh = blobs / "tmpnew"
    fresh.touch()
    names = doctor().worst("left-files")["data"]["names"]
    assert sorted(names) == sorted(map(str, doomed))
    assert doctor("--fix").status("left-files") == "fixed"
    assert [path for path in doomed if path.exists()] == []
    assert [path for path in (*kept, fresh) if not path.exists()] == []


# Kernels
