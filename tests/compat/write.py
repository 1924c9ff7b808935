"""Write a state directory as this version leaves it when everything dies at once.

``python -m tests.compat.write`` makes ``tests/compat/schema-<n>``: once a version is released its
folder is never written again, and every later version has to load it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import apsw

from runtimed.wire import journal
from tests.harness.daemon import Daemon, State
from tests.process.daemon.story import wait_for

FOLDER = Path(__file__).parent
#: Stands for the directory that everything was in.
PLACE = "/place/of/the/state"


def story(daemon: Daemon) -> dict[str, Any]:
    """Live through something; return the runtime, and what is to be expected of its executions."""
    truth = daemon.state.project / "truth"
    env = {**daemon.state.env, "TRUTH": str(truth)}
    runtime = daemon.call("runtime.start", kernel_name="python3", name="old", cwd="/", env=env)
    show = "from IPython.display import display\ndisplay({{'text/plain': {}}}, raw=True)"
    cell = {"notebook": "n.ipynb", "id": "c"}
    seen = [
        daemon.call("execution.eval", runtime="old", code="print('a')\n1 + 1", cell=cell),
        daemon.call("execution.eval", runtime="old", code=show.format("'x' * 5000")),
        daemon.call("execution.eval", runtime="old", code="1 / 0", group="g"),
    ]
    running = daemon.call(
        "execution.submit",
        runtime="old",
        code="import os\nprint('recorded', flush=True)\ntruth = os.environ['TRUTH']\n"
        "with open(truth, 'w') as file: file.write('begun')\n"
        "while not os.path.exists(truth + '.go'): pass\nprint('journaled')",
    )
    queued = daemon.call("execution.submit", runtime="old", code="'never'", argv=["x"])
    wait_for(truth, "begun")
    while not daemon.call("execution.get", execution=running["id"])["outputs"]:
        pass
    keeper = daemon.call("daemon.status")["keeper_pid"]
    daemon.kill()
    Path(f"{truth}.go").touch()
    reply = f'"msg_id":"{running["id"]}.1"'.encode()
    while not has_reply(daemon.state, runtime["id"], reply):
        time.sleep(0.01)
    for pid in (keeper, runtime["pid"]):
        os.kill(pid, signal.SIGKILL)
    expected = {each["id"]: {k: each[k] for k in ("status", "outputs", "cell")} for each in seen}
    text = {"output_type": "stream", "name": "stdout", "text": "recorded\njournaled\n"}
    expected[running["id"]] = {"status": "done", "outputs": [text], "cell": None}
    expected[queued["id"]] = {"status": "cancelled", "outputs": [], "cell": None}
    return {"runtime": runtime, "executions": expected}


def has_reply(state: State, runtime: str, parent: bytes) -> bool:
    found = [
        record
        for record in read_journal(state, runtime)
        if record.kind == journal.Kind.RECV
        and any(parent in bytes(frame).replace(b" ", b"") for frame in record.frames)
    ]
    channels = [record.meta["c"] for record in found]
    return "shell" in channels and any(b'"idle"' in bytes(f) for r in found for f in r.frames)


def read_journal(state: State, runtime: str) -> list[journal.Record]:
    (path,) = Path(state.files.journal(runtime)).iterdir()
    return list(journal.records(path.read_bytes(), 0))


def keep(state: State, told: dict[str, Any], folder: Path) -> None:
    """Copy what is to be kept, without what is this machine's own."""
    runtime = told["runtime"]["id"]
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "journal" / runtime).mkdir(parents=True)
    shutil.copytree(state.files.blobs, folder / "blobs")
    names = {str(state.root): PLACE, told["runtime"]["environment"]: "/usr"}
    connection = Path(told["runtime"]["connection_file"]).read_text()
    (folder / "connection.json").write_text(without(connection, names))
    ends: dict[Any, int] = {0: 0}
    written = b""
    for record in read_journal(state, runtime):
        meta = json.loads(without(json.dumps(record.meta), names))
        if "boot_id" in meta:
            meta["boot_id"] = "an earlier boot"
        written += b"".join(journal.encode(record.kind, record.at_ns, meta, record.frames))
        ends[record.end] = len(written)
    (folder / "journal" / runtime / journal.segment_name(0)).write_bytes(written)
    keep_database(state, folder / "runtimed.db", names, ends)
    expected = {"runtime": runtime, "executions": told["executions"]}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def keep_database(state: State, path: Path, names: dict[str, str], ends: dict[Any, int]) -> None:
    source, kept = apsw.Connection(state.files.database), apsw.Connection(str(path))
    with kept.backup("main", source, "main") as backup:
        backup.step()
    source.close()
    kept.pragma("journal_mode", "delete")
    for table, columns in {
        "runtime": ("connection_file", "ip", "environment", "environment_key", "launch_json"),
        "event": ("data_json",),
    }.items():
        for column in columns:
            for name, other in names.items():
                kept.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (name, other)
                )
    notices = ("notices_json", "[]"), ("boot_id", "an earlier boot")
    for column, value in notices:
        kept.execute(f"UPDATE runtime SET {column} = ?", (value,))
    ((offset,),) = kept.execute("SELECT journal_offset FROM runtime").fetchall()
    kept.execute("UPDATE runtime SET journal_offset = ?", (ends[offset],))
    kept.execute("VACUUM")
    kept.close()


def without(text: str, names: dict[str, str]) -> str:
    for name, other in names.items():
        text = text.replace(name, other)
    return text


def main() -> None:
    state = State.create()
    try:
        daemon = Daemon(state, {"RUNTIMED_BLOB_LIMIT_BYTES": "1000"}).start()
        told = story(daemon)
        version = apsw.Connection(state.files.database).pragma("user_version")
        keep(state, told, FOLDER / f"schema-{version}")
    finally:
        state.dispose()


if __name__ == "__main__":
    main()
