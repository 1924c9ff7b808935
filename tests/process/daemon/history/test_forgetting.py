"""What is forgotten is in no file, and nobody else loses anything by it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import runt
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.test_store_fails import full

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.daemon import Daemon, State

PAGE = "from IPython.display import HTML\nHTML('shared page ' * 40_000)"


@contextmanager
def read_from(path: str) -> Iterator[None]:
    """Read from a database in a transaction, as a program does that makes a copy of it."""
    uri = f"file:{path}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield


def those_with(directory: Path, text: str) -> list[str]:
    """Return the files that have the text in them."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


@pytest.fixture
def other(daemon: Daemon) -> Iterator[Repl]:
    repl = Repl(daemon, daemon.call("runtime.start", kernel_name="python3")["id"])
    yield repl
    daemon.call("runtime.stop", runtime=repl.id)


def blob_of(execution: Any) -> str:
    (output,) = execution["outputs"]
    value = output["data"]["text/html"]
    assert isinstance(value["blob"], str)
    return str(value["blob"])


def test_a_value_that_another_shows_meanwhile_stays(
    daemon: Daemon, repl: Repl, other: Repl, state: State
) -> None:
    shared = blob_of(other.eval(PAGE))
    daemon.call("execution.search", query="page")  # it has begun to be used
    with state.connection() as client:
        # It is being forgotten for as long as somebody reads from the index.
        with read_from(state.files.search):
            (asked,) = client.send_many([("runtime.forget", {"runtime": other.id})])
            shown = repl.eval(PAGE)
        assert client.result(asked)["executions"] == 1
    assert blob_of(shown) == shared
    assert daemon.call("blob.get", sha256=shared)["size_bytes"] == 480_000
    assert daemon.call("runtime.forget", runtime=repl.id)["blobs"] == 1
    with pytest.raises(CallFailed, match="No blob"):
        daemon.call("blob.get", sha256=shared)


def test_who_reads_the_database_holds_nobody_up(
    daemon: Daemon, repl: Repl, other: Repl, state: State
) -> None:
    other.eval("'zq' + 'forgettable'")
    with state.connection() as client:
        with read_from(state.files.database):
            repl.eval("'there is something in the log after what is read'")
            (asked,) = client.send_many([("runtime.forget", {"runtime": other.id})])
            # While that waits for the reader, the writer's lock is free.
            with closing(sqlite3.connect(state.files.database, timeout=0.5)) as db:
                while not client_has_answer(client):
                    db.execute("BEGIN IMMEDIATE")
                    db.execute("ROLLBACK")
            forgotten = client.result(asked)
            assert forgotten["executions"] == 1
            assert "reads from the database" in forgotten["notices"][0]
            assert daemon.call("execution.list", runtime=other.id) == []
            # What is in a journal is gone at once.
            assert not those_with(state.dir / "journal" / other.id, "forgettable")
    until(lambda: not those_with(state.dir, "zqforgettable"))


def client_has_answer(client: Any) -> bool:
    """Say whether something has come for a client."""
    import select

    return bool(select.select([client.fileno()], [], [], 0.02)[0])


def test_what_went_past_jupyter_is_forgotten_too(daemon: Daemon, other: Repl, state: State) -> None:
    written = "import os\nfor fd in (1, 2): os.write(fd, b'zqpast' + b'jupyter\\n')"
    other.eval(written)
    until(lambda: "zqpastjupyter" in daemon.call("runtime.logs", runtime=other.id)["stderr"])
    assert daemon.call("runtime.forget", runtime=other.id)["notices"] == []
    assert those_with(state.dir, "zqpastjupyter") == []
    logs = daemon.call("runtime.logs", runtime=other.id)
    assert "bytes were left out here" in logs["stdout"]
    other.eval("os.write(1, b'after\\n')")
    until(
        lambda: (
            "after\n"
            in daemon.call("runtime.logs", runtime=other.id, stdout_from=logs["stdout_end"])[
                "stdout"
            ]
        )
    )


def test_of_dead_ones_of_one_name_none_is_guessed(daemon: Daemon, state: State) -> None:
    ids = []
    for _ in range(2):
        id = daemon.call("runtime.start", kernel_name="python3", name="twin")["id"]
        ids.append(id)
        daemon.call("runtime.kill", runtime=id)
    for method in ("runtime.forget", "runtime.remove"):
        with pytest.raises(CallFailed) as refused:
            daemon.call(method, runtime="twin")
        assert refused.value.name == "AmbiguousReference"
    assert runt(state, "forget", "-y", "twin").returncode == 4
    assert daemon.call("runtime.get", runtime="twin")["id"] == ids[1]  # for a look it is
    daemon.call("runtime.remove", runtime=ids[0])
    assert runt(state, "forget", "-y", "twin").returncode == 0


def test_an_index_that_cannot_be_used_takes_nothing_with_it(
    daemon: Daemon, repl: Repl, other: Repl, state: State
) -> None:
    other.eval("'zqindexed wombat'")
    repl.eval("'kept wombat'")
    assert len(daemon.call("execution.search", query="wombat")) == 2
    daemon.stop()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(state.files.search + suffix):
            os.unlink(state.files.search + suffix)
    os.rename(state.files.search, f"{state.files.search}.away")
    os.mkdir(state.files.search)
    daemon.start()
    status = daemon.call("daemon.status")
    assert state.files.search in status["search"]
    assert status["retention"] == "ok"
    assert daemon.call("daemon.gc")["executions"] == 0
    with pytest.raises(CallFailed, match=r"search\.db"):
        daemon.call("execution.search", query="wombat")
    assert "search-index" in [
        line.split("\t")[1]
        for line in runt(state, "doctor").stdout.splitlines()
        if line.startswith("problem")
    ]
    forgotten = daemon.call("runtime.forget", runtime=other.id)
    assert forgotten["executions"] == 1
    assert "search.db" in forgotten["notices"][0]
    os.rmdir(state.files.search)
    os.rename(f"{state.files.search}.away", state.files.search)
    assert those_with(state.dir, "zqindexed")  # as it was, when it could not be written
    (found,) = daemon.call("execution.search", query="wombat")
    assert found["execution"]["runtime"]["id"] == repl.id
    until(lambda: not those_with(state.dir, "zqindexed"))
    assert daemon.call("daemon.status")["search"] == "ok"


def test_on_a_full_disk_what_is_in_the_index_is_found(daemon: Daemon, repl: Repl) -> None:
    first = repl.eval("'full pelican'")["id"]
    assert len(daemon.call("execution.search", query="pelican")) == 1
    second = repl.eval("'another pelican'")["id"]  # not entered yet, or just
    with full(daemon):
        found = [e["execution"]["id"] for e in daemon.call("execution.search", query="pelican")]
        listed = [e["id"] for e in daemon.call("execution.list", grep="pelican")]
    for ids in (found, listed):
        assert first in ids
        assert set(ids) <= {first, second}
