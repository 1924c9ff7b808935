"""The same ``runt notebook run`` once more, where something else has come in between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.shell import popen
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

BOOM = "1 / 0"


@pytest.fixture(autouse=True)
def nothing_left(daemon: Daemon) -> Iterator[None]:
    yield
    for runtime in daemon.call("runtime.list"):
        daemon.call("runtime.kill", runtime=runtime["id"])
    for notebook in daemon.call("notebook.list"):
        daemon.call("notebook.delete", notebook=notebook["id"])


def script(state: State, name: str, *cells: str, defaults: str | None = None) -> None:
    parts = [f"# %%\n{cell}" for cell in cells]
    if defaults is not None:
        parts.insert(0, f'# %% tags=["parameters"]\n{defaults}')
    (state.project / name).write_text("\n\n".join(parts) + "\n")


def printed(state: State, name: str) -> list[str]:
    cells: list[dict[str, Any]] = json.loads((state.project / name).read_text())["cells"]
    return [
        "".join("".join(o.get("text", "")) or o.get("ename", "") for o in cell["outputs"])
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def test_what_somebody_does_in_the_output_is_theirs(
    state: State, daemon: Daemon, runt: Runt
) -> None:
    script(state, "in.py", "print(1)", "print(2)")
    again = ("notebook", "run", "in.py", "-o", "out.ipynb")
    assert runt(*again).returncode == 0
    mine = daemon.call("runtime.start", kernel_name="python3", name="mine")["id"]
    opened = daemon.call("notebook.open", path=str(state.project / "out.ipynb"))
    cell = opened["cells"][0]["id"]
    run = daemon.call("cell.run", cell=cell, runtime=mine)
    daemon.call("execution.wait", execution=run["id"])
    daemon.call("cell.edit", cell=cell, src="unsaved")
    refused = runt(*again, "--fresh")
    assert (refused.returncode, "somebody has worked on" in refused.stderr) == (4, True)
    assert daemon.call("cell.get", cell=cell)["src"] == "unsaved"
    assert runt(*again, "--force").returncode == 0
    assert [each["id"] for each in daemon.call("runtime.list")] == [mine]
    assert printed(state, "out.ipynb") == ["1\n", "2\n"]


def test_other_parameters_begin_anew(state: State, runt: Runt) -> None:
    keep = "import builtins\nbuiltins.seen = getattr(builtins, 'seen', []) + [n]"
    script(state, "p.py", keep, "print(seen)", f"if n == 1: {BOOM}", defaults="n = 1")
    run = ("notebook", "run", "p.py", "-o", "p.ipynb", "-p", "n")
    assert runt(*run, "1").returncode == 1
    again = runt(*run, "2")
    assert (again.returncode, "beginning anew: a cell that has run" in again.stderr) == (0, True)
    assert printed(state, "p.ipynb")[-2] == "[2]\n"


def test_a_cell_that_has_run_and_was_changed_begins_anew(state: State, runt: Runt) -> None:
    script(state, "q.py", "x = 0", "x += 1", "x += 10", f"print(x)\n{BOOM}")
    run = ("notebook", "run", "q.py", "-o", "q.ipynb")
    assert runt(*run).returncode == 1
    script(state, "q.py", "x = 0", "x += 2", "x += 10", "print(x)")
    assert runt(*run, "--resume").returncode == 4
    assert runt(*run).returncode == 0
    assert printed(state, "q.ipynb")[-1] == "12\n"


def test_another_file_kernel_or_directory_begins_anew(state: State, runt: Runt) -> None:
    script(state, "s1.py", "import os", f"left = 'of s1'\n{BOOM}")
    script(state, "s2.py", "import os", "print(globals().get('left'), os.getcwd())\n1 / 0")
    run = ("notebook", "run")
    assert runt(*run, "s1.py", "-o", "s.ipynb").returncode == 1
    assert runt(*run, "s2.py", "-o", "s.ipynb").returncode == 1
    assert printed(state, "s.ipynb")[-1].startswith("None ")
    elsewhere = runt(*run, "s2.py", "-o", "s.ipynb", "--cwd", "/")
    assert "beginning anew: it is of another file, kernel or directory" in elsewhere.stderr
    assert printed(state, "s.ipynb")[-1].startswith("None /\n")
    assert runt(*run, "s2.py", "-o", "s.ipynb", "--kernel", "no-such-kernel").returncode == 3


def test_a_second_failure_is_gone_on_from_as_well(state: State, runt: Runt) -> None:
    script(state, "t.py", "n = 1", f"n += 1\n{BOOM}", "n += 10", f"print(n)\n{BOOM}")
    run = ("notebook", "run", "t.py", "-o", "t.ipynb")
    assert runt(*run).returncode == 1
    script(state, "t.py", "n = 1", "n += 100", "n += 10", f"print(n)\n{BOOM}")
    assert runt(*run).returncode == 1
    script(state, "t.py", "n = 1", "n += 100", "n += 10", "print(n)")
    last = runt(*run)
    assert (last.returncode, "resuming after 3 good cells" in last.stderr) == (0, True), last.stderr
    assert printed(state, "t.ipynb")[-1] == "112\n"  # the cell that failed had counted by one


def test_a_cell_of_another_client_hides_no_failure(
    state: State, daemon: Daemon, runt: Runt
) -> None:
    go = state.project / "go"
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    script(state, "i.py", wait, BOOM, "print('never')")
    running = popen(state, "notebook", "run", "i.py", "-o", "i.ipynb")

    def queued() -> Any:
        found = daemon.call("notebook.list")
        cells = daemon.call("notebook.get", notebook=found[0]["id"])["cells"] if found else ()
        return found[0]["id"] if cells and cells[0]["queued"] else None

    notebook = until(queued, "the first cell")
    daemon.call("cell.insert", notebook=notebook, src="print('a note')", index=1)
    go.touch()
    _, said = running.communicate(timeout=60)
    assert (running.returncode, "ZeroDivisionError" in said) == (1, True)
    assert len(daemon.call("runtime.list")) == 1
    assert "worked on" in runt("notebook", "run", "i.py", "-o", "i.ipynb").stderr


def test_a_run_that_cannot_begin_leaves_the_earlier_output(state: State, runt: Runt) -> None:
    script(state, "d.py", "print(1)")
    run = ("notebook", "run", "d.py", "-o", "d.ipynb")
    assert runt(*run).returncode == 0
    before = (state.project / "d.ipynb").read_bytes()
    for levels in (150, 5000):
        deep = runt(*run, "-p", "x", "[" * levels + "]" * levels)
        assert (deep.returncode, "levels" in deep.stderr) == (2, True), deep.stderr
    assert (state.project / "d.ipynb").read_bytes() == before


def test_old_outputs_are_no_burden_and_names_may_be_long(state: State, runt: Runt) -> None:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "source": "print('new')",
        "execution_count": 1,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "x" * 70_000_000}],
    }
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    name = "n" * 240 + ".ipynb"
    (state.project / name).write_text(json.dumps(notebook))
    done = runt("notebook", "run", name, "-o", "fresh.ipynb")
    assert done.returncode == 0, done.stderr
    assert printed(state, "fresh.ipynb") == ["new\n"]
