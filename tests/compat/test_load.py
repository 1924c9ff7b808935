"""What earlier versions left behind loads: database, blobs, and a journal that is half read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from runtimed.wire import journal
from tests.compat.write import FOLDER, PLACE
from tests.harness.daemon import Daemon, State
from tests.process.daemon.story import final

VERSIONS = sorted(path for path in FOLDER.iterdir() if path.name.startswith("schema-"))


def test_there_are_some() -> None:
    assert VERSIONS


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_a_state_directory_loads(folder: Path, state: State) -> None:
    expected = unpack(folder, state)
    daemon = Daemon(state).start()
    try:
        for execution, fields in expected["executions"].items():
            found = final(daemon, execution)
            assert {name: found[name] for name in fields} == fields
            for output in found["outputs"]:
                for value in output.get("data", {}).values():
                    if isinstance(value, dict):
                        size = daemon.call("blob.get", sha256=value["blob"])["size_bytes"]
                        assert size == value["size_bytes"]
        runtime = daemon.call("runtime.get", runtime=expected["runtime"])
        assert (runtime["name"], runtime["status"]) == ("old", "dead")
        with daemon.state.connection() as client:
            client.call("events.subscribe", {"since": "start"})
            first = next(client.notifications())["params"]
            assert (first["seq"], first["runtime"]) == (1, expected["runtime"])
    finally:
        daemon.dispose()


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_every_record_of_a_journal_is_read(folder: Path) -> None:
    (path,) = (folder / "journal").glob("*/*.journal")
    content = path.read_bytes()
    found = list(journal.records(content, 0))
    assert found[-1].end == len(content)
    assert {record.kind for record in found} == set(journal.Kind)


def unpack(folder: Path, state: State) -> Any:
    """Put the files where a daemon of this state looks, and say so in them."""
    expected = json.loads((folder / "expected.json").read_text())
    state.files.create()
    for name in ("journal", "blobs"):
        shutil.copytree(folder / name, state.dir / name, dirs_exist_ok=True)
    for path in state.dir.rglob("*"):  # git keeps no modes
        path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.copy(folder / "runtimed.db", state.files.database)
    db = apsw.Connection(state.files.database)
    db.execute(
        "UPDATE runtime SET connection_file = replace(connection_file, ?, ?)",
        (PLACE, str(state.root)),
    )
    connection_file = Path(str(db.execute("SELECT connection_file FROM runtime").get))
    db.close()
    connection_file.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(folder / "connection.json", connection_file)
    return expected
