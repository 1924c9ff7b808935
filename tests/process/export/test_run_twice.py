"""Two ``runt notebook run`` into one file, and what is left of a run that could not begin."""

from __future__ import annotations

import json
import os
import select
from typing import TYPE_CHECKING

import pytest

from tests.harness.shell import popen
from tests.process.daemon.story import note, words

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State


@pytest.mark.parametrize("more", [(), ("--start-timeout", "60")], ids=["plain", "limit"])
def test_all_at_once_are_one_run(state: State, daemon: Daemon, more: tuple[str, ...]) -> None:
    n, before = len(more), len(daemon.call("runtime.list", all=True))
    truth, go = state.project / f"truth{n}", state.project / f"go{n}"
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    path = state.project / "w.py"
    path.write_text(f"# %%\n{note(truth, 'one')}\n\n# %%\n{wait}\nprint('two')\n")
    clients = [
        popen(state, "notebook", "run", "w.py", "-o", f"w{n}.ipynb", *more) for _ in range(3)
    ]
    said = {client.stderr.fileno(): b"" for client in clients if client.stderr}
    while sum(b"attached" in each for each in said.values()) < 2:
        ready, _, _ = select.select(list(said), [], [], 60)
        assert ready, said
        for fd in ready:
            said[fd] += (some := os.read(fd, 4096))
            assert some, said
    go.touch()
    left = [client.communicate(timeout=60)[1] for client in clients]
    assert [client.returncode for client in clients] == [0, 0, 0], (said, left)
    assert words(truth) == ["one"]
    assert daemon.call("runtime.list") == []
    assert daemon.call("notebook.list") == []
    assert len(daemon.call("runtime.list", all=True)) == before + 1
    assert "two\\n" in (state.project / f"w{n}.ipynb").read_text()


def test_a_run_that_cannot_begin_leaves_no_file(state: State, runt: Runt) -> None:
    (state.project / "n.py").write_text("# %%\n1\n")
    run = ("notebook", "run", "n.py", "-o", "n.ipynb")
    assert runt(*run, "--kernel", "no-such-kernel").returncode == 3
    assert not (state.project / "n.ipynb").exists()
    assert runt(*run).returncode == 0
    before = json.loads((state.project / "n.ipynb").read_text())
    assert runt(*run, "--kernel", "no-such-kernel").returncode == 3
    assert json.loads((state.project / "n.ipynb").read_text()) == before


def test_a_dead_kernel_is_said_in_the_output(state: State, daemon: Daemon, runt: Runt) -> None:
    path = state.project / "k.py"
    path.write_text("# %%\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)\n")
    assert runt("notebook", "run", "k.py", "-o", "k.ipynb").returncode == 8
    (cell,) = json.loads((state.project / "k.ipynb").read_text())["cells"]
    assert cell["metadata"]["runtimed"]["status"] == "kernel_died"
    assert cell["metadata"]["runtimed"]["reason"]
    assert "shell.execute_reply" not in cell["metadata"]["execution"]
    for each in daemon.call("notebook.list"):
        daemon.call("notebook.delete", notebook=each["id"])
