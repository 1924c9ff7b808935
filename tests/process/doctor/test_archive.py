"""What a person sends with a report: nothing in it that was computed, and nothing secret."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

MEMBERS = {
    *("README.txt", "doctor.json", "versions.json", "settings.json", "service.json"),
    *("record.json", "log.txt"),
}

#: What somebody's library might write, and an error that quotes what it was given.
LOG = """\
2026-01-01T00:00:00.000Z runtimed[1] error: GET http://me:SECRET@h/?token=SECRET
    Traceback (most recent call last):
      File "/x/y.py", line 3, in run
        eval("SECRET")
    ValueError: SECRET
SECRET from a library
"""


def members(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found = {}
        for info in archive:
            file = archive.extractfile(info)
            assert file is not None
            assert stat.S_IMODE(info.mode) == 0o600
            assert (info.uname, info.gname) == ("", "")
            found[info.name.removeprefix("runtimed-doctor/")] = file.read().decode()
    return found


def test_nothing_that_was_planted_is_in_it(daemon: Daemon, state: State, runt: Runt) -> None:
    secret = "Xq7Marker"
    env = {
        "MY_TOKEN": f"{secret}-environment",
        "PATH": f"{state.root}/{secret}-path:{os.environ['PATH']}",
    }
    (state.root / f"{secret}-path").mkdir()
    started = runt("start", "python3", "--name", f"{secret}-name", env=env)
    assert started.returncode == 0, started
    code = (
        f"import os, sys; print('{secret}-output'); print('{secret}-stderr', file=sys.__stderr__)"
    )
    for source in (
        code,
        f"raise ValueError('{secret}-exception')",
        f"open('/tmp/{secret}-path-in-code')",
        "print(input('name? '))",
    ):
        ran = runt("eval", "--runtime", f"{secret}-name", source, stdin=f"{secret}-reply\n")
        assert ran.returncode == (1 if "raise" in source or "open" in source else 0), ran
    (runtime,) = daemon.call("runtime.list")
    key = json.loads(Path(runtime["connection_file"]).read_text())["key"]
    notebook = state.root / "jr" / f"kernel-{secret}-stale.json"
    notebook.write_text(
        json.dumps(
            {f"{name}_port": 1 for name in ("shell", "iopub", "stdin", "control", "hb")}
            | {"ip": "127.0.0.1", "transport": "tcp", "key": f"{secret}-key"}
            | {"jupyter_session": f"/n/{secret}-notebook.ipynb?token={secret}-token"}
        )
    )
    with open(state.files.daemon_log, "a") as log:
        log.write(LOG.replace("SECRET", secret))
    archive = state.project / "a.tar.gz"
    done = runt("doctor", "--archive", "a.tar.gz", "-q", env=env)
    assert done.returncode in (0, 1), done
    found = members(archive)
    assert found.keys() == MEMBERS
    for name, text in found.items():
        for planted in (secret, key, str(state.home)):
            assert planted not in text, (name, planted)
    assert 'File "/x/y.py", line 3' in found["log.txt"]
    assert "answering at" in found["log.txt"]
    record = json.loads(found["record.json"])
    assert record["executions"] == {"done": 2, "error": 2}
    assert runtime["id"] in [each["id"] for each in record["runtimes"]]
    assert json.loads(found["settings.json"])["max_batch"]["source"] == "default"


def test_it_is_a_file(state: State, runt: Runt) -> None:
    done = runt("doctor", "--archive", "-")
    assert done.returncode == 2
    assert "--archive takes the name of a file" in done.stderr


def test_it_is_for_us_alone_and_nothing_is_overwritten(state: State, runt: Runt) -> None:
    archive = state.project / "a.tar.gz"
    done = runt("doctor", "--archive", str(archive), "--json")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["doctor"]["archive"] == str(archive)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert members(archive).keys() == MEMBERS
    before = archive.read_bytes()
    assert runt("doctor", "--archive", str(archive)).returncode == 4
    assert archive.read_bytes() == before
    (state.project / "link").symlink_to(state.project / "elsewhere")
    assert runt("doctor", "--archive", "link").returncode == 4
    assert not (state.project / "elsewhere").exists()
    assert runt("doctor", "--archive", "missing/a.tar.gz").returncode == 7


def test_without_a_daemon_the_executions_are_counted(
    daemon: Daemon, state: State, runt: Runt
) -> None:
    assert runt("eval", "1").returncode == 0
    daemon.stop(kernels=True)
    assert runt("doctor", "--archive", "a.tar.gz").returncode in (0, 1)
    record = json.loads(members(state.project / "a.tar.gz")["record.json"])
    assert record["executions"] == {"done": 1}
